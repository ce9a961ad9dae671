//! Authenticates callers, and admits them to the businesses they have a right over.

use std::sync::Arc;

use super::presented::{Handle, Stored};
use crate::domain::access::keys::PresentedKey;
use crate::domain::access::rights::{Principal, Reach, Tenant};
use crate::domain::access::sessions::SessionToken;
use crate::domain::access::users::UserStatus;
use crate::domain::values::sid::BusinessSid;
use crate::error::Result;
use crate::services::Billing;
use crate::storage;

/// The credentials that a caller presents.
#[derive(Clone, Debug)]
pub enum Presented {
    Key(PresentedKey),
    Session(SessionToken),
}

/// Why credentials do not authenticate the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLetIn {
    /// There is no such key or session, or the secret is wrong.
    Unknown,
    Expired,
    Revoked,
    /// The user is disabled.
    Disabled,
}

/// Whether these credentials, or others for the same key or session, were looked up lately. Looks into memory only.
pub fn is_known(billing: &Billing, presented: &Presented) -> bool {
    billing.live.credentials.is_known(&handle(presented))
}

fn handle(presented: &Presented) -> Handle {
    match presented {
        Presented::Key(key) => Handle::Key(key.public_id.clone()),
        Presented::Session(token) => Handle::session(&token.hash()),
    }
}

/// Authenticates credentials.
///
/// # Errors
/// Outer: those of the database. Inner: why the credentials are refused.
pub async fn authenticate(
    billing: &Billing,
    presented: &Presented,
) -> Result<std::result::Result<Arc<Principal>, NotLetIn>> {
    let now = billing.clock.now();
    let handle = handle(presented);
    let Some(known) = billing.live.credentials.find(&handle).await? else { return Ok(Err(NotLetIn::Unknown)) };
    let verdict = match (presented, &known.stored) {
        (Presented::Key(presented), Stored::Key(key)) => {
            let hash = presented.hash();
            let is_current = key.secret_hash.equals(&hash);
            let is_previous = key.previous.is_some_and(|(previous, until)| previous.equals(&hash) && now < until);
            // Only the holder of a key learns why it is refused.
            if presented.mode != key.mode || !(is_current || is_previous) {
                Err(NotLetIn::Unknown)
            } else if key.revoked_at.is_some() {
                Err(NotLetIn::Revoked)
            } else if key.expires_at.is_some_and(|end| end <= now) {
                Err(NotLetIn::Expired)
            } else {
                billing.live.credentials.note_use(&handle, key.id, now);
                Ok(())
            }
        }
        (Presented::Session(_), Stored::Session(session)) => match session.status {
            _ if session.expires_at <= now => Err(NotLetIn::Expired),
            UserStatus::Disabled => Err(NotLetIn::Disabled),
            UserStatus::Active => Ok(()),
        },
        _ => Err(NotLetIn::Unknown),
    };
    Ok(verdict.map(|()| known.principal.clone()))
}

/// The business as a tenant, if it exists and is within reach.
///
/// # Errors
/// Those of the database.
pub async fn admit(billing: &Billing, reach: &Reach, business: BusinessSid) -> Result<Option<Tenant>> {
    let is_below = match reach {
        Reach::OwnAndBelow(reseller) if reseller != &business => {
            storage::businesses::is_below(&mut billing.db.read().await?.conn(), &business, reseller).await?
        }
        _ => false,
    };
    Ok(Tenant::admit(reach, business, is_below))
}
