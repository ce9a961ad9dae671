//! Decides which role has which right, and over which businesses: the access table.

use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::{BusinessSid, KeySid, UserSid};
use crate::domain::values::time::Timestamp;

named_enum! {
    /// The role of a user or a key.
    pub enum Role {
        Client = "client",
        Reseller = "reseller",
        Admin = "admin",
        /// The SMS gateway, which charges. Only keys have this role.
        Gateway = "gateway",
    }
}

impl Role {
    /// Whether users and keys of this role belong to a business.
    pub fn has_business(self) -> bool {
        matches!(self, Role::Client | Role::Reseller)
    }

    /// Whether a user or key of this role may give another the role `other`. A gateway may give none.
    pub fn may_grant(self, other: Role) -> bool {
        match self {
            Role::Client => other == Role::Client,
            Role::Reseller => matches!(other, Role::Client | Role::Reseller),
            Role::Admin => true,
            Role::Gateway => false,
        }
    }
}

/// A kind of action: each is a column of the access table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Read plans and rate cards.
    ReadPrices,
    /// Read a wallet, its transactions, usage, invoices and alerts.
    Read,
    /// Quote, and read one charge.
    Quote,
    /// Charge messages and report their deliveries.
    Charge,
    TopUp,
    /// Read and change the free settings of a business: its keys, thresholds, alerts.
    Manage,
    /// Change plans, rate cards, limits, users and all that concerns everybody; adjust and refund by hand.
    Administer,
    /// Manage one's own login.
    UseLogin,
    /// Read the server's own state: health and metrics.
    Watch,
    /// Ask for one's own identity, or log in.
    Anyone,
}

/// The businesses that a right extends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every business; one that does not exist yet is created.
    All,
    Own(BusinessSid),
    /// A reseller's own business and all below it.
    OwnAndBelow(BusinessSid),
    /// The businesses that a gateway's key lists.
    Listed(Arc<HashSet<BusinessSid>>),
}

impl Reach {
    /// Whether a business is within reach; `None` where only the database knows the hierarchy.
    pub fn includes(&self, business: &BusinessSid) -> Option<bool> {
        match self {
            Reach::All => Some(true),
            Reach::Own(own) => Some(own == business),
            Reach::OwnAndBelow(own) => (own == business).then_some(true),
            Reach::Listed(listed) => Some(listed.contains(business)),
        }
    }
}

/// Why a right is denied, for any business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// A login is always needed, in open mode too.
    LoginNeeded,
    /// This role never has the right.
    NotForRole(Role),
    /// A login is needed, and the caller presented a key.
    NotForKeys,
    /// A test key reads and quotes, and changes nothing.
    NotForTestKeys,
    /// The business of the user or key is suspended: it may read and pay, and nothing else.
    Suspended,
}

/// An authenticated user or key.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The SID of the key or the user, as the ledger and the audit log name it.
    pub name: Arc<str>,
    pub credential: Credential,
    pub role: Role,
    /// None for admins and gateways.
    pub business: Option<BusinessSid>,
    /// When the key or the session expires, if it does.
    pub expires_at: Option<Timestamp>,
    /// The businesses that a gateway's key is limited to.
    pub listed: Option<Arc<HashSet<BusinessSid>>>,
    /// Whether its business, or one above it, is suspended.
    pub is_suspended: bool,
    /// Whether its business buys from a reseller, whose own prices it must not see.
    pub is_resold: bool,
}

/// How a principal authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Key { sid: KeySid, mode: KeyMode },
    Login { user: UserSid, session_id: i64 },
}

named_enum! {
    /// A test key reads and quotes. It cannot charge, or its messages would be sent for free.
    pub enum KeyMode { Live = "live", Test = "test" }
}

impl Principal {
    /// The businesses over which the principal has this right.
    ///
    /// # Errors
    /// The [`Denial`], where it has the right over none.
    pub fn reach(&self, right: Right) -> Result<Reach, Denial> {
        let reach = self.reach_of_role(right).ok_or(Denial::NotForRole(self.role))?;
        let is_key = matches!(self.credential, Credential::Key { .. });
        if right == Right::UseLogin && is_key {
            return Err(Denial::NotForKeys);
        }
        let is_harmless = matches!(
            right,
            Right::ReadPrices | Right::Read | Right::Quote | Right::UseLogin | Right::Watch | Right::Anyone
        );
        if !is_harmless && matches!(self.credential, Credential::Key { mode: KeyMode::Test, .. }) {
            return Err(Denial::NotForTestKeys);
        }
        if !is_harmless && right != Right::TopUp && self.is_suspended {
            return Err(Denial::Suspended);
        }
        Ok(reach)
    }

    /// The access table.
    fn reach_of_role(&self, right: Right) -> Option<Reach> {
        use Right::{Administer, Charge, Manage, Quote, Read, ReadPrices, TopUp, UseLogin, Watch};
        let own = || self.business.clone().map(Reach::Own);
        let own_and_below = || self.business.clone().map(Reach::OwnAndBelow);
        let all_or_listed = || Some(self.listed.clone().map_or(Reach::All, Reach::Listed));
        match (self.role, right) {
            (_, Right::Anyone) | (Role::Admin, _) | (Role::Gateway, ReadPrices) => Some(Reach::All),
            (Role::Client, ReadPrices | Read | Quote | TopUp | Manage | UseLogin) => own(),
            (Role::Reseller, ReadPrices | Read | Quote | TopUp | Manage | UseLogin) => own_and_below(),
            (Role::Gateway, Quote | Charge) => all_or_listed(),
            (Role::Client | Role::Reseller, Charge | Administer | Watch)
            | (Role::Gateway, Read | TopUp | Manage | Administer | UseLogin | Watch) => None,
        }
    }
}

/// The reach of callers without credentials, in open mode.
///
/// # Errors
/// [`Denial::LoginNeeded`] for rights that always need a login.
pub fn reach_of_anybody(right: Right) -> Result<Reach, Denial> {
    match right {
        Right::ReadPrices
        | Right::Read
        | Right::Quote
        | Right::Charge
        | Right::TopUp
        | Right::Watch
        | Right::Anyone => Ok(Reach::All),
        Right::Manage | Right::Administer | Right::UseLogin => Err(Denial::LoginNeeded),
    }
}

/// Whether money may be credited at once: by anybody where the server asks nobody who they are (`is_open`), else by an
/// admin. Anybody else has to pay through a provider.
pub fn may_credit_at_once(is_open: bool, principal: Option<&Principal>) -> bool {
    is_open || principal.is_some_and(|principal| principal.role == Role::Admin)
}

/// A business that the caller was admitted to with the right they asked for. Services take it instead of a
/// [`BusinessSid`], as proof of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(BusinessSid);

impl Tenant {
    /// The tenant, if the business is within reach. `is_below`: whether the business stands below the reseller of
    /// [`Reach::OwnAndBelow`].
    pub fn admit(reach: &Reach, business: BusinessSid, is_below: bool) -> Option<Tenant> {
        let is_included = reach.includes(&business).unwrap_or(is_below);
        is_included.then_some(Tenant(business))
    }

    pub fn sid(&self) -> &BusinessSid {
        &self.0
    }

    pub fn into_sid(self) -> BusinessSid {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use uuid::Uuid;

    use super::*;

    fn sid(text: &str) -> BusinessSid {
        text.parse().expect("a business")
    }

    fn key(role: Role, mode: KeyMode) -> Principal {
        Principal {
            name: "key".into(),
            credential: Credential::Key { sid: KeySid::new(Uuid::nil()), mode },
            role,
            business: role.has_business().then(|| sid("a")),
            expires_at: None,
            listed: None,
            is_suspended: false,
            is_resold: false,
        }
    }

    /// The table, column by column: n nothing, o own, b own and below, a all, l all or those listed.
    #[rstest]
    //                             prices read quote charge topup manage administer
    #[case(Role::Client, "o      o    o     n      o     o      n")]
    #[case(Role::Reseller, "b      b    b     n      b     b      n")]
    #[case(Role::Admin, "a      a    a     a      a     a      a")]
    #[case(Role::Gateway, "a      n    l     l      n     n      n")]
    fn roles(#[case] role: Role, #[case] row: &str) {
        let rights = [
            Right::ReadPrices,
            Right::Read,
            Right::Quote,
            Right::Charge,
            Right::TopUp,
            Right::Manage,
            Right::Administer,
        ];
        let caller = key(role, KeyMode::Live);
        let listed = Arc::new(HashSet::from([sid("a")]));
        let limited = Principal { listed: Some(listed.clone()), ..caller.clone() };
        for (right, cell) in rights.into_iter().zip(row.split_whitespace()) {
            let (all, of_limited) = match cell {
                "n" => (Err(Denial::NotForRole(role)), Err(Denial::NotForRole(role))),
                "o" => (Ok(Reach::Own(sid("a"))), Ok(Reach::Own(sid("a")))),
                "b" => (Ok(Reach::OwnAndBelow(sid("a"))), Ok(Reach::OwnAndBelow(sid("a")))),
                "a" => (Ok(Reach::All), Ok(Reach::All)),
                _ => (Ok(Reach::All), Ok(Reach::Listed(listed.clone()))),
            };
            assert_eq!(caller.reach(right), all, "{role} {right:?}");
            if role == Role::Gateway {
                assert_eq!(limited.reach(right), of_limited, "limited {role} {right:?}");
            }
        }
    }

    #[test]
    fn a_test_key_changes_nothing() {
        let key = key(Role::Gateway, KeyMode::Test);
        assert_eq!(key.reach(Right::Quote), Ok(Reach::All));
        assert_eq!(key.reach(Right::Charge), Err(Denial::NotForTestKeys));
    }

    #[test]
    fn who_is_suspended_reads_and_pays() {
        let suspended = Principal { is_suspended: true, ..key(Role::Client, KeyMode::Live) };
        assert!(suspended.reach(Right::Read).is_ok() && suspended.reach(Right::TopUp).is_ok());
        assert_eq!(suspended.reach(Right::Manage), Err(Denial::Suspended));
        assert_eq!(suspended.reach(Right::Charge), Err(Denial::NotForRole(Role::Client)));
    }

    #[test]
    fn a_key_has_no_login() {
        assert_eq!(key(Role::Admin, KeyMode::Live).reach(Right::UseLogin), Err(Denial::NotForKeys));
    }

    #[test]
    fn anybody() {
        assert_eq!(reach_of_anybody(Right::Charge), Ok(Reach::All));
        for right in [Right::Manage, Right::Administer, Right::UseLogin] {
            assert_eq!(reach_of_anybody(right), Err(Denial::LoginNeeded));
        }
    }

    #[test]
    fn only_admins_credit_at_once() {
        assert!(!may_credit_at_once(false, None));
        assert!(may_credit_at_once(true, None));
        for role in Role::ALL {
            let principal = key(*role, KeyMode::Live);
            assert_eq!(may_credit_at_once(false, Some(&principal)), *role == Role::Admin, "{role}");
            assert!(may_credit_at_once(true, Some(&principal)), "{role}");
        }
    }

    #[rstest]
    #[case(Reach::All, "x", false, true)]
    #[case(Reach::Own(sid("a")), "a", false, true)]
    #[case(Reach::Own(sid("a")), "x", true, false)] // below, but only its own was asked for
    #[case(Reach::OwnAndBelow(sid("a")), "a", false, true)]
    #[case(Reach::OwnAndBelow(sid("a")), "x", true, true)]
    #[case(Reach::OwnAndBelow(sid("a")), "x", false, false)]
    #[case(Reach::Listed(Arc::new(HashSet::from([sid("a")]))), "a", false, true)]
    #[case(Reach::Listed(Arc::new(HashSet::from([sid("a")]))), "x", true, false)]
    fn tenants(#[case] reach: Reach, #[case] business: &str, #[case] is_below: bool, #[case] admitted: bool) {
        assert_eq!(Tenant::admit(&reach, sid(business), is_below).is_some(), admitted);
    }

    #[test]
    fn nobody_grants_more_than_they_are() {
        for role in Role::ALL {
            for other in [Role::Admin, Role::Gateway] {
                assert_eq!(role.may_grant(other), *role == Role::Admin, "{role} grants {other}");
            }
        }
        assert!(!Role::Client.may_grant(Role::Reseller));
        assert!(!Role::Gateway.may_grant(Role::Client));
    }
}
