//! Authorises requests: extractors that require a right, and the caller who has it.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::access::Asks;
use super::auth_mode::AuthMode;
use super::client_address::ClientAddress;
use crate::domain::access::rights::{Denial, Principal, Reach, Right, Tenant, may_credit_at_once, reach_of_anybody};
use crate::domain::audit::Actor;
use crate::domain::values::sid::BusinessSid;
use crate::http::edge::answer::error::Problem;
use crate::http::state::AppState;
use crate::services;

/// The caller of a request; the guard puts it on every request that it lets pass.
#[derive(Clone, Debug)]
pub struct Caller {
    pub actor: Actor,
    /// `None` without credentials, which only `AUTH=open` lets pass.
    pub principal: Option<Arc<Principal>>,
}

/// The address of a connection's peer, which may be a proxy; the accept loop puts it on every request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// A right by its name, for handlers' signatures.
pub trait Needs {
    const RIGHT: Right;
}

macro_rules! rights {
    ($($name:ident),+ $(,)?) => {$(
        /// The right of this name, in a handler's signature.
        #[derive(Debug)]
        pub enum $name {}

        impl Needs for $name {
            const RIGHT: Right = Right::$name;
        }
    )+};
}

rights! { ReadPrices, Read, Quote, Charge, TopUp, Manage, Administer, UseLogin, Watch, Anyone }

/// A caller who has the right `R`, at least over some businesses. Every handler takes one, or a path that implies one
/// ([`crate::http::edge::ask::extract::BusinessPath`]): so its signature says who may call it.
#[derive(Debug)]
pub struct May<R> {
    pub actor: Actor,
    pub reach: Reach,
    pub principal: Option<Arc<Principal>>,
    /// The client's address; `None` only in tests without the accept loop.
    pub client: Option<ClientAddress>,
    right: PhantomData<fn() -> R>,
}

impl<R: Needs> Asks for May<R> {
    const RIGHT: Option<Right> = Some(R::RIGHT);
}

impl<R: Needs> FromRequestParts<AppState> for May<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<May<R>, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        // Every request has passed the guard.
        let Caller { actor, principal } = caller.ok_or_else(|| Problem::internal("a request that met no guard"))?;
        let reach = match &principal {
            Some(principal) => principal.reach(R::RIGHT),
            // The guard lets no such request pass; should it ever, it is refused here too.
            None if state.auth == AuthMode::Required && R::RIGHT != Right::Anyone => Err(Denial::LoginNeeded),
            None => reach_of_anybody(R::RIGHT),
        };
        let client = parts.extensions.get::<ClientAddress>().copied();
        Ok(May { actor, reach: reach.map_err(Problem::from)?, principal, client, right: PhantomData })
    }
}

impl<R> May<R> {
    /// Whether the client's connection is encrypted, as far as a trusted proxy says.
    pub fn is_tls(&self) -> bool {
        self.client.is_some_and(|client| client.is_tls)
    }

    /// Checks the right over a business, as far as that is possible without asking the database: charging is for
    /// callers with the right over all businesses, or over those their key lists.
    ///
    /// # Errors
    /// 404 `business_not_found`, whether or not it exists.
    pub fn check_listed(&self, business: &BusinessSid) -> Result<(), Problem> {
        if self.reach.includes(business) == Some(true) { Ok(()) } else { Err(Problem::business_not_found()) }
    }

    /// Checks the right over a business, and returns it as a tenant.
    ///
    /// # Errors
    /// 404 `business_not_found`, whether or not it exists.
    pub async fn tenant(&self, state: &AppState, business: BusinessSid) -> Result<Tenant, Problem> {
        let tenant = services::access::admission::admit(&state.billing, &self.reach, business).await?;
        tenant.ok_or_else(Problem::business_not_found)
    }
}

impl May<ReadPrices> {
    /// Whether the caller may see the platform's own prices. Clients of a reseller see that reseller's only.
    pub fn sees_platform_prices(&self) -> bool {
        !self.principal.as_ref().is_some_and(|principal| principal.is_resold)
    }
}

impl May<TopUp> {
    /// Whether they may credit a wallet at once, without a payment provider.
    pub fn credits_at_once(&self, state: &AppState) -> bool {
        may_credit_at_once(state.auth == AuthMode::Open, self.principal.as_deref())
    }
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Problem {
        let forbidden = |code, detail: String| Problem::new(StatusCode::FORBIDDEN, code, detail);
        match denial {
            Denial::LoginNeeded => Problem::unauthorized(
                "This needs a login or a key, also where the server asks nobody for them (AUTH=open).",
            ),
            Denial::NotForRole(role) => {
                forbidden("forbidden", format!("This is not for the role {role}; ask for a login or a key that may."))
            }
            Denial::NotForKeys => forbidden("forbidden", "This is for people who logged in, not for keys.".to_owned()),
            Denial::NotForTestKeys => forbidden(
                "test_key",
                "A test key (sk_test_…) reads and quotes, and changes nothing; use a live one.".to_owned(),
            ),
            Denial::Suspended => forbidden(
                "business_suspended",
                "Your business is suspended: until it no longer is, you can only read and top up.".to_owned(),
            ),
        }
    }
}
