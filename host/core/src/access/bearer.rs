//! Tokens as their holders carry them: `rmd_<id>_<secret>`.

use super::Token;
use crate::{Timestamp, TokenId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// What every token begins with, so that scanners for leaked secrets can find them.
const PREFIX: &str = "rmd_";
/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// The longest text that can be a token.
const MAX_BYTES: usize = 128;

/// SHA-256 of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
    /// As text, for storing it: 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
    /// Reads what [`Hash::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A token with its secret. Never logged.
#[derive(Clone)]
pub struct Bearer {
    id: TokenId,
    secret: Vec<u8>,
}

impl Bearer {
    /// A new token; `secret` is random.
    pub fn new(id: TokenId, secret: [u8; SECRET_BYTES]) -> Self {
        Self { id, secret: secret.to_vec() }
    }
    /// Reads a token; `None` for what cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX).filter(|_| text.len() <= MAX_BYTES)?.split_once('_')?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok().filter(|secret| secret.len() == SECRET_BYTES)?;
        let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| Self { id: TokenId::new(id), secret })
    }
    /// The part of it that is no secret.
    pub fn id(&self) -> &TokenId {
        &self.id
    }
    /// What is kept of its secret.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.secret)
    }
    /// Whether it is this token, at this time. Takes the same time wherever the secrets differ.
    pub fn proves(&self, token: &Token, now: Timestamp) -> bool {
        let same = self.hash().0.ct_eq(&token.hash.0);
        bool::from(same) && self.id == token.id && token.expires_at.is_none_or(|end| now < end)
    }
    /// The text that its holder sends.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, URL_SAFE_NO_PAD.encode(&self.secret))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({}, ***)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::catalog_cases::a_token;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000);

    #[test]
    fn a_token_proves_itself_until_it_ends() {
        let bearer = Bearer::new(TokenId::new("01ABC"), [9; 32]);
        let token = Token { hash: bearer.hash(), ..a_token("01ABC") };
        let read = Bearer::parse(&bearer.reveal()).unwrap();
        assert!(read.proves(&token, NOW));
        assert!(
            read.proves(&Token { expires_at: Some(Timestamp::from_unix_ms(1_001)), ..token.clone() }, NOW)
        );
        assert!(!read.proves(&Token { expires_at: Some(NOW), ..token.clone() }, NOW));
        assert!(!Bearer::new(TokenId::new("01ABC"), [8; 32]).proves(&token, NOW));
        assert!(!Bearer::new(TokenId::new("01ABD"), [9; 32]).proves(&token, NOW));
    }

    #[test]
    fn neither_a_token_nor_its_hash_is_printed() {
        let bearer = Bearer::new(TokenId::new("01ABC"), [9; 32]);
        let printed = format!("{bearer:?} {:?}", bearer.hash());
        assert_eq!(printed, "Bearer(01ABC, ***) ***");
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let good = Bearer::new(TokenId::new("01ABC"), [9; 32]).reveal();
        for bad in [
            "",
            "rmd_",
            "rmd_x_",
            "x",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}A"),
            &good.replace("01ABC", "0 ABC"),
        ] {
            assert!(Bearer::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_any_hash_comes_back(text in ".*", bytes: [u8; 32]) {
            let _ = Bearer::parse(&text);
            prop_assert_eq!(Hash::from_hex(&Hash(bytes).to_hex()), Some(Hash(bytes)));
            prop_assert!(Hash::from_hex(&text).is_none() || text.len() == 64);
        }
    }
}
