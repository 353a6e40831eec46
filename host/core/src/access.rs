//! Who may do what: tokens, roles, and what a request's sender is allowed.
//!
//! Authentication is off unless an operator turns it on; then every sender is [`Identity::Open`] or carries a token, or
//! is a node of the platform that proved itself with its certificate. What is refused is refused in the same words
//! whether the thing asked for exists or not.

mod bearer;

pub use bearer::{Bearer, Hash};

use crate::{Fault, Timestamp, TokenId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most apps that one token or group may name: they travel with every list that its holder asks for.
pub const MAX_APPS: usize = 100;

/// All apps, or some by their names. Names are unique and never change; an app that is deleted and made again under its
/// name is the same to this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AppSet {
    /// Every app, those to come included.
    #[default]
    All,
    /// Those of these names.
    Some(BTreeSet<String>),
}

impl AppSet {
    /// The apps of these names.
    pub fn of<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::Some(names.into_iter().map(Into::into).collect())
    }
    /// Whether an app of this name is one of them.
    pub fn contains(&self, app: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(app),
        }
    }
    /// What is in both.
    pub fn and(&self, other: &AppSet) -> AppSet {
        match (self, other) {
            (Self::All, set) | (set, Self::All) => set.clone(),
            (Self::Some(one), Self::Some(two)) => Self::Some(one & two),
        }
    }
}

/// What a token's holder may do to the apps that the token names; each role may do what the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Call functions, and read what a client needs to know for that; settings are left out of what it is told.
    Invoker,
    /// Create, change and delete apps, functions and triggers.
    Deployer,
    /// Pin apps to LB groups. For all apps: also keep the list of groups.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 3] = [Role::Invoker, Role::Deployer, Role::Admin];

    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoker => "invoker",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        }
    }
    /// The role of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A bearer token as it is kept: without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The part of the token that is no secret.
    pub id: TokenId,
    /// What its holder may do.
    pub role: Role,
    /// To which apps.
    pub apps: AppSet,
    /// SHA-256 of its secret. (The secret is 256 random bits, so a slow hash would protect nothing.)
    pub hash: Hash,
    /// What the operator wrote beside it, or empty.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working, if it does.
    pub expires_at: Option<Timestamp>,
}

/// Who sends a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Anyone: authentication is off, and everything is allowed.
    Open,
    /// Nobody who proved anything.
    #[default]
    Nobody,
    /// The holder of this token.
    Token(Arc<Token>),
    /// A node of the platform, by its certificate: it reads definitions, and does nothing else.
    Node,
}

impl Identity {
    fn at_least(&self, role: Role, app: &str) -> Result<(), Fault> {
        match self {
            Self::Open => Ok(()),
            Self::Nobody => Err(Fault::unauthorized()),
            Self::Token(token) if token.role >= role && token.apps.contains(app) => Ok(()),
            Self::Token(_) | Self::Node => Err(Fault::forbidden()),
        }
    }

    /// Whether it may call the functions of the app of this name.
    pub fn may_invoke(&self, app: &str) -> Result<(), Fault> {
        self.at_least(Role::Invoker, app)
    }
    /// Whether it may see the app of this name and what belongs to it.
    pub fn may_read(&self, app: &str) -> Result<(), Fault> {
        match self {
            Self::Node => Ok(()),
            _ => self.at_least(Role::Invoker, app),
        }
    }
    /// Whether it may change the app of this name and what belongs to it.
    pub fn may_manage(&self, app: &str) -> Result<(), Fault> {
        self.at_least(Role::Deployer, app)
    }
    /// Whether it may pin the app of this name to a group.
    pub fn may_administer(&self, app: &str) -> Result<(), Fault> {
        self.at_least(Role::Admin, app)
    }
    /// Whether it may keep the list of groups.
    pub fn may_administer_all(&self) -> Result<(), Fault> {
        match self {
            Self::Token(token) if token.apps != AppSet::All => Err(Fault::forbidden()),
            _ => self.at_least(Role::Admin, ""),
        }
    }
    /// Whether it has proved to be somebody.
    pub fn check_known(&self) -> Result<(), Fault> {
        match self {
            Self::Nobody => Err(Fault::unauthorized()),
            Self::Open | Self::Token(_) | Self::Node => Ok(()),
        }
    }
    /// The apps that it may know of.
    pub fn apps(&self) -> AppSet {
        match self {
            Self::Open | Self::Node => AppSet::All,
            Self::Nobody => AppSet::Some(BTreeSet::new()),
            Self::Token(token) => token.apps.clone(),
        }
    }
    /// Whether it is told the settings of what it may read: they may hold the functions' own secrets.
    pub fn sees_config(&self) -> bool {
        match self {
            Self::Open | Self::Node => true,
            Self::Nobody => false,
            Self::Token(token) => token.role >= Role::Deployer,
        }
    }
    /// What becomes of a thing that is not there: who may know of every app is told so, others that they may not do
    /// this, as for a thing of somebody else's.
    pub fn missing(&self, fault: Fault) -> Fault {
        match self {
            Self::Token(token) if token.apps != AppSet::All && fault.kind == crate::Kind::NotFound => {
                Fault::forbidden()
            }
            _ => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::testing::catalog_cases::a_token;

    fn holder(role: Role, apps: AppSet) -> Identity {
        Identity::Token(Arc::new(Token { role, apps, ..a_token("T") }))
    }

    fn rights(who: &Identity) -> [bool; 5] {
        [
            who.may_read("mine").is_ok(),
            who.may_invoke("mine").is_ok(),
            who.may_manage("mine").is_ok(),
            who.may_administer("mine").is_ok(),
            who.may_administer_all().is_ok(),
        ]
    }

    #[test]
    fn each_role_may_do_what_the_one_before_it_may_and_more() {
        let mine = || AppSet::of(["mine"]);
        for (who, expected) in [
            (Identity::Open, [true; 5]),
            (Identity::Nobody, [false; 5]),
            (Identity::Node, [true, false, false, false, false]),
            (holder(Role::Invoker, mine()), [true, true, false, false, false]),
            (holder(Role::Deployer, mine()), [true, true, true, false, false]),
            (holder(Role::Admin, mine()), [true, true, true, true, false]),
            (holder(Role::Deployer, AppSet::All), [true, true, true, false, false]),
            (holder(Role::Admin, AppSet::All), [true; 5]),
            (holder(Role::Admin, AppSet::of(["other"])), [false; 5]),
        ] {
            assert_eq!(rights(&who), expected, "{who:?}");
        }
    }

    #[test]
    fn nobody_is_told_to_prove_something_and_everybody_else_that_they_may_not() {
        assert_eq!(Identity::Nobody.may_read("x").unwrap_err().kind, Kind::Unauthorized);
        assert_eq!(Identity::Nobody.may_administer_all().unwrap_err().kind, Kind::Unauthorized);
        let other = holder(Role::Admin, AppSet::of(["other"]));
        assert_eq!(other.may_read("x").unwrap_err().kind, Kind::Forbidden);
        let (foreign, missing) =
            (other.may_read("x").unwrap_err(), other.missing(Fault::not_found("App not found")));
        assert_eq!(
            (foreign.kind, foreign.message),
            (missing.kind, missing.message),
            "neither tells them apart"
        );
        assert_eq!(Identity::Open.missing(Fault::not_found("App not found")).kind, Kind::NotFound);
    }

    #[test]
    fn settings_are_not_for_invokers() {
        assert!(!holder(Role::Invoker, AppSet::All).sees_config());
        assert!(holder(Role::Deployer, AppSet::All).sees_config());
        assert!(Identity::Node.sees_config());
    }

    #[test]
    fn sets_of_apps_meet() {
        let (one, two) = (AppSet::of(["a", "b"]), AppSet::of(["b", "c"]));
        assert_eq!(one.and(&two), AppSet::of(["b"]));
        assert_eq!(AppSet::All.and(&two), two);
        assert_eq!(one.and(&AppSet::All), one);
    }
}
