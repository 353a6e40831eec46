//! Where bearer tokens are kept.

use crate::access::Token;
use crate::{Fault, TokenId};
use async_trait::async_trait;
use std::sync::Arc;

/// Looks tokens up.
#[async_trait]
pub trait Tokens: Send + Sync + 'static {
    /// The token with this id; `Kind::NotFound` when there is none, or no more.
    async fn token(&self, id: &TokenId) -> Result<Arc<Token>, Fault>;
}

/// Keeps tokens. Their secrets are not among what is kept.
#[async_trait]
pub trait TokenStore: Tokens {
    /// Stores a new token; `Kind::Conflict` when there is one with its id.
    async fn create_token(&self, token: Token) -> Result<Token, Fault>;
    /// Forgets a token; `Kind::NotFound` when there is none.
    async fn revoke_token(&self, id: &TokenId) -> Result<(), Fault>;
    /// All tokens, ordered by id.
    async fn list_tokens(&self) -> Result<Vec<Token>, Fault>;
}
