//! Finds out who sends a request. What it may do is [`Identity`]'s to say.

use super::Peer;
use crate::Access;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use remuda_core::access::{AppSet, Bearer, Hash, Identity, Role, Token};
use remuda_core::{Fault, Kind, Timestamp, TokenId};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// By this header a node says that it checks tokens itself.
const NODE_CHECKS: HeaderName = HeaderName::from_static("remuda-auth");
const TOKENS: &str = "token";
/// Where nodes ask what clients do not.
const RUNNER_PATHS: &str = "/v2/runner/";
/// What looking a token up may take, however it is had.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// Knows how the senders of requests are known.
#[derive(Clone)]
pub(crate) struct Gate {
    access: Access,
    /// Compared with where there is no token, so that an unknown one takes as long as a wrong one.
    dummy: Arc<Token>,
}

impl Gate {
    pub(crate) fn new(access: &Access) -> Self {
        let epoch = Timestamp::from_unix_ms(0);
        let dummy = Token {
            id: TokenId::new(""),
            role: Role::Invoker,
            apps: AppSet::of([""; 0]),
            hash: Hash([0; 32]),
            note: String::new(),
            created_at: epoch,
            expires_at: Some(epoch),
        };
        Self { access: access.clone(), dummy: Arc::new(dummy) }
    }

    /// Who sends a request. A fault when that cannot be found out now, or when a node has to change something first;
    /// whoever proves nothing is [`Identity::Nobody`].
    pub(crate) async fn identify(&self, request: &Parts) -> Result<Identity, Fault> {
        let Access::Tokens(tokens) = &self.access else { return Ok(Identity::Open) };
        if !request.headers.contains_key(header::AUTHORIZATION) {
            return without_token(request);
        }
        let Some(bearer) = bearer(&request.headers) else { return Ok(Identity::Nobody) };
        let looked_up = tokio::time::timeout(LOOKUP_TIMEOUT, tokens.token(bearer.id())).await;
        let late = |_| Fault::service(Kind::Unavailable, "the token could not be looked up in time");
        let known = match looked_up.map_err(late)? {
            Ok(token) => token,
            Err(fault) if fault.kind == Kind::NotFound => Arc::clone(&self.dummy),
            Err(fault) => return Err(fault),
        };
        if bearer.proves(&known, Timestamp::from(SystemTime::now())) {
            return Ok(Identity::Token(known));
        }
        Ok(Identity::Nobody)
    }

    /// Takes away what is not for functions to see: where tokens are checked, a request that got in carries one.
    pub(crate) fn strip_token(&self, headers: &mut HeaderMap) {
        match self.access {
            Access::Open => {}
            Access::Tokens(_) => {
                headers.remove(header::AUTHORIZATION);
            }
        }
    }
}

/// Who sends a request without a token: a node, or nobody.
fn without_token(request: &Parts) -> Result<Identity, Fault> {
    let text = match Peer::of(&request.extensions) {
        Some(Peer::Node) => {
            if request.headers.get(NODE_CHECKS).is_some_and(|said| said == TOKENS) {
                return Ok(Identity::Node);
            }
            let text = "authentication is on here: set FN_AUTH=token on this load balancer too";
            return Err(Fault::user(Kind::Forbidden, text));
        }
        None if request.uri.path().starts_with(RUNNER_PATHS) => {
            "with FN_AUTH=token, load balancers read the API over https with their node certificate: name an https \
             address in FN_RUNNER_API_URL"
        }
        Some(Peer::Anonymous) | None => return Ok(Identity::Nobody),
    };
    Err(Fault::user(Kind::Unauthorized, text))
}

/// The one token in the headers, if it can be one.
fn bearer(headers: &HeaderMap) -> Option<Bearer> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (first, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = HeaderValue::to_str(first).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Bearer::parse(token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use remuda_core::port::{TokenStore, Tokens};
    use remuda_core::testing::FakeCatalog;
    use remuda_core::testing::catalog_cases::a_token;

    struct Away;

    #[async_trait]
    impl Tokens for Away {
        async fn token(&self, _: &TokenId) -> Result<Arc<Token>, Fault> {
            Err(Fault::service(Kind::Unavailable, "the database is away"))
        }
    }

    fn asking(path: &str, headers: &[(&str, &str)], peer: Option<Peer>) -> Parts {
        let mut request = http::Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        peer.map(|peer| parts.extensions.insert(peer));
        parts
    }

    async fn with_token(expires_at: Option<Timestamp>) -> (Gate, String) {
        let bearer = Bearer::new(TokenId::new("T1"), [3; 32]);
        let tokens = FakeCatalog::new();
        tokens.create_token(Token { hash: bearer.hash(), expires_at, ..a_token("T1") }).await.unwrap();
        (Gate::new(&Access::Tokens(Arc::new(tokens))), bearer.reveal())
    }

    async fn who(gate: &Gate, headers: &[(&str, &str)]) -> Identity {
        gate.identify(&asking("/v2/apps", headers, None)).await.unwrap()
    }

    #[tokio::test]
    async fn a_good_token_is_known_whatever_the_case_of_its_scheme() {
        let (gate, token) = with_token(None).await;
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let found = who(&gate, &[("authorization", &format!("{scheme} {token}"))]).await;
            assert!(matches!(found, Identity::Token(_)), "{scheme}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_nobody() {
        let (gate, token) = with_token(None).await;
        let wrong = Bearer::new(TokenId::new("T1"), [4; 32]).reveal();
        let unknown = Bearer::new(TokenId::new("T9"), [3; 32]).reveal();
        for value in ["", "Bearer", "Bearer ", &token, &format!("Basic {token}"), &format!("Bearer {token}x")]
        {
            assert_eq!(who(&gate, &[("authorization", value)]).await, Identity::Nobody, "{value}");
        }
        for token in [wrong, unknown] {
            assert_eq!(who(&gate, &[("authorization", &format!("Bearer {token}"))]).await, Identity::Nobody);
        }
        let good = format!("Bearer {token}");
        let twice = [("authorization", good.as_str()), ("authorization", "Bearer x")];
        assert_eq!(who(&gate, &twice).await, Identity::Nobody);
        assert_eq!(who(&gate, &[]).await, Identity::Nobody);
        let (gate, token) = with_token(Some(Timestamp::from_unix_ms(1))).await;
        let late = who(&gate, &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(late, Identity::Nobody, "it has ended");
    }

    #[tokio::test]
    async fn a_node_is_known_by_its_certificate_once_it_checks_tokens_too() {
        let (gate, _) = with_token(None).await;
        let node = asking("/v2/apps", &[("remuda-auth", "token")], Some(Peer::Node));
        assert_eq!(gate.identify(&node).await.unwrap(), Identity::Node);
        let fault = gate.identify(&asking("/v2/apps", &[], Some(Peer::Node))).await.unwrap_err();
        assert!(fault.kind == Kind::Forbidden && fault.message.contains("FN_AUTH=token"), "{fault}");
        let headers = [("remuda-auth", "token"), ("authorization", "Bearer x")];
        let claiming = asking("/v2/apps", &headers, Some(Peer::Node));
        assert_eq!(gate.identify(&claiming).await.unwrap(), Identity::Nobody, "a token is judged as one");
        for peer in [None, Some(Peer::Anonymous)] {
            let asked = asking("/v2/apps", &[("remuda-auth", "token")], peer);
            assert_eq!(gate.identify(&asked).await.unwrap(), Identity::Nobody);
        }
    }

    #[tokio::test]
    async fn a_load_balancer_that_asks_in_clear_text_is_told_what_to_change() {
        let (gate, _) = with_token(None).await;
        let fault = gate.identify(&asking("/v2/runner/changes", &[], None)).await.unwrap_err();
        assert!(fault.kind == Kind::Unauthorized && fault.message.contains("https"), "{fault}");
        let over_tls = asking("/v2/runner/changes", &[], Some(Peer::Anonymous));
        assert_eq!(gate.identify(&over_tls).await.unwrap(), Identity::Nobody);
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_looked_up_is_not_called_wrong() {
        let gate = Gate::new(&Access::Tokens(Arc::new(Away)));
        let header = format!("Bearer {}", Bearer::new(TokenId::new("T1"), [3; 32]).reveal());
        let asked = asking("/v2/apps", &[("authorization", &header)], None);
        assert_eq!(gate.identify(&asked).await.unwrap_err().kind, Kind::Unavailable);
    }

    #[tokio::test]
    async fn without_authentication_everyone_may_everything_and_functions_see_every_header() {
        let gate = Gate::new(&Access::Open);
        assert_eq!(who(&gate, &[("authorization", "Bearer x")]).await, Identity::Open);
        let mut headers =
            HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
        gate.strip_token(&mut headers);
        assert_eq!(headers.len(), 1);
        with_token(None).await.0.strip_token(&mut headers);
        assert!(headers.is_empty());
    }
}
