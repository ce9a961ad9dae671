//! Checks API keys before they are created or rotated: role, business, list of businesses, expiry.

use super::keys::{ApiKey, OVERLAP_SECONDS_MAX};
use super::rights::{KeyMode, Reach, Role, Tenant};
use crate::domain::audit::Actor;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::Title;
use crate::domain::values::time::Timestamp;

/// The most keys of a business that are not revoked: enough for every program it runs, and none to spread requests
/// over.
const LIVE_KEYS_MAX: i64 = 100;

/// The most businesses that a gateway's key may list.
const LISTED_MAX: usize = 1_000;

/// The author of a change to keys, with their role and the businesses whose keys they may manage.
#[derive(Clone, Debug)]
pub struct KeyKeeper {
    pub role: Role,
    pub reach: Reach,
    pub actor: Actor,
    /// When the author's own key expires, if it does.
    pub expires_at: Option<Timestamp>,
}

impl KeyKeeper {
    /// The operator who runs a subcommand on the server's own machine, with the rights of an admin.
    pub fn command_line() -> KeyKeeper {
        KeyKeeper { role: Role::Admin, reach: Reach::All, actor: Actor::command_line(), expires_at: None }
    }
}

/// A key to create.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: Title,
    pub mode: KeyMode,
    pub role: Role,
    /// The business it is to belong to: for clients and resellers only.
    pub business: Option<Tenant>,
    /// The businesses that a gateway's key is limited to; `None`: all.
    pub businesses: Option<Vec<BusinessSid>>,
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// Sorts the businesses and removes duplicates; a key created with another key expires no later than that one.
    pub fn tidied(mut self, keeper: &KeyKeeper) -> NewKey {
        if let Some(businesses) = &mut self.businesses {
            businesses.sort_unstable();
            businesses.dedup();
        }
        self.expires_at = self.expires_at.or(keeper.expires_at);
        self
    }

    /// Checks role, business, list and expiry. Whether the businesses exist, only the database knows.
    ///
    /// # Errors
    /// [`KeyRefusal::RoleAbove`], and [`KeyRefusal::Field`] with the first invalid field.
    pub fn check(&self, keeper: &KeyKeeper, now: Timestamp) -> Result<(), KeyRefusal> {
        if !keeper.role.may_grant(self.role) {
            return Err(KeyRefusal::RoleAbove { keeper: keeper.role, wanted: self.role });
        }
        match (&self.business, self.role.has_business()) {
            (None, true) => {
                return Err(invalid("business_sid", format!("is missing: a {} key belongs to one", self.role)));
            }
            (Some(_), false) => {
                return Err(invalid("business_sid", format!("must be left out: a {} key belongs to none", self.role)));
            }
            _ => {}
        }
        match &self.businesses {
            Some(_) if self.role != Role::Gateway => {
                return Err(invalid("businesses", "must be left out: only a gateway key lists businesses"));
            }
            Some(listed) if listed.is_empty() || listed.len() > LISTED_MAX => {
                let problem = format!("must name 1 to {LISTED_MAX} businesses; leave it out for all");
                return Err(invalid("businesses", problem));
            }
            _ => {}
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(invalid("expires_at", "must lie in the future; leave it out for a key without an end"));
        }
        if let (Some(end), Some(keepers)) = (self.expires_at, keeper.expires_at)
            && end > keepers
        {
            return Err(invalid("expires_at", "must not be later than the end of the key that makes it"));
        }
        Ok(())
    }

    /// The input that an idempotency key stands for.
    pub fn hash(&self) -> InputHash {
        let listed = self.businesses.iter().flatten().map(BusinessSid::as_str).collect::<Vec<_>>().join(" ");
        InputHash::of(&[
            self.name.as_str(),
            self.mode.as_str(),
            self.role.as_str(),
            self.business.as_ref().map_or("", |tenant| tenant.sid().as_str()),
            if self.businesses.is_some() { "listed" } else { "all" },
            &listed,
            &self.expires_at.map(|end| end.micros().to_string()).unwrap_or_default(),
        ])
    }
}

/// Why a key cannot be created or rotated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    #[error("The role {keeper} cannot make a key of the role {wanted}.")]
    RoleAbove { keeper: Role, wanted: Role },
    #[error("{0}")]
    Field(FieldError),
    #[error("The business has {max} keys already; revoke one that it does not use.", max = LIVE_KEYS_MAX)]
    TooMany,
    #[error("A revoked key stays revoked; make a new one.")]
    Revoked,
}

fn invalid(field: &str, problem: impl Into<String>) -> KeyRefusal {
    KeyRefusal::Field(FieldError::new(field, problem))
}

/// Checks that a business with so many live keys may have one more.
///
/// # Errors
/// [`KeyRefusal::TooMany`].
pub fn check_room(live_keys: i64) -> Result<(), KeyRefusal> {
    if live_keys < LIVE_KEYS_MAX { Ok(()) } else { Err(KeyRefusal::TooMany) }
}

/// Checks for how many seconds the old secret of a rotated key goes on working.
///
/// # Errors
/// [`KeyRefusal::Field`] below 0 and above a week.
pub fn check_overlap(seconds: i64) -> Result<(), KeyRefusal> {
    if (0..=OVERLAP_SECONDS_MAX).contains(&seconds) {
        return Ok(());
    }
    Err(invalid("overlap_seconds", format!("must be a whole number from 0 to {OVERLAP_SECONDS_MAX} (a week)")))
}

impl ApiKey {
    /// Checks that it may get a new secret.
    ///
    /// # Errors
    /// [`KeyRefusal::Revoked`].
    pub fn check_rotatable(&self) -> Result<(), KeyRefusal> {
        if self.revoked_at.is_none() { Ok(()) } else { Err(KeyRefusal::Revoked) }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000);

    fn keeper(role: Role, expires_at: Option<i64>) -> KeyKeeper {
        KeyKeeper { role, expires_at: expires_at.map(Timestamp::from_micros), ..KeyKeeper::command_line() }
    }

    fn new_key(role: Role) -> NewKey {
        let business = role
            .has_business()
            .then(|| Tenant::admit(&Reach::All, "biz_test_001".parse().expect("a SID"), false).expect("a tenant"));
        let name = "Gateway".parse().expect("a title");
        NewKey { name, mode: KeyMode::Live, role, business, businesses: None, expires_at: None }
    }

    fn listed(count: usize) -> Option<Vec<BusinessSid>> {
        Some((0..count).map(|number| format!("biz_{number}").parse().expect("a SID")).collect())
    }

    fn field_of(refusal: KeyRefusal) -> String {
        match refusal {
            KeyRefusal::Field(error) => error.field,
            other => panic!("{other}"),
        }
    }

    #[rstest]
    #[case(Role::Admin, Role::Gateway, true)]
    #[case(Role::Reseller, Role::Client, true)]
    #[case(Role::Reseller, Role::Admin, false)]
    #[case(Role::Client, Role::Reseller, false)]
    #[case(Role::Gateway, Role::Gateway, false)]
    fn nobody_makes_more_than_they_are(#[case] own: Role, #[case] wanted: Role, #[case] passes: bool) {
        let checked = new_key(wanted).check(&keeper(own, None), NOW);
        let refused = Err(KeyRefusal::RoleAbove { keeper: own, wanted });
        assert_eq!(checked, if passes { Ok(()) } else { refused });
    }

    #[test]
    fn a_key_belongs_to_a_business_or_to_none() {
        let admin = keeper(Role::Admin, None);
        for (role, other) in [(Role::Client, Role::Admin), (Role::Gateway, Role::Reseller)] {
            let misplaced = NewKey { business: new_key(other).business, ..new_key(role) };
            assert_eq!(field_of(misplaced.check(&admin, NOW).unwrap_err()), "business_sid", "{role}");
        }
    }

    #[test]
    fn only_a_gateway_key_lists_businesses() {
        let admin = keeper(Role::Admin, None);
        let check = |role, count| NewKey { businesses: listed(count), ..new_key(role) }.check(&admin, NOW);
        assert_eq!(check(Role::Gateway, 1), Ok(()));
        assert_eq!(check(Role::Gateway, LISTED_MAX), Ok(()));
        for (role, count) in [(Role::Gateway, 0), (Role::Gateway, LISTED_MAX + 1), (Role::Client, 1)] {
            assert_eq!(field_of(check(role, count).unwrap_err()), "businesses", "{role} {count}");
        }
    }

    /// The end of the keeper's own key, that of the new one, whether it passes.
    #[rstest]
    #[case(None, Some(1_001), true)]
    #[case(None, Some(1_000), false)]
    #[case(Some(2_000), Some(2_000), true)]
    #[case(Some(2_000), Some(2_001), false)]
    fn ends(#[case] keepers: Option<i64>, #[case] end: Option<i64>, #[case] passes: bool) {
        let new = NewKey { expires_at: end.map(Timestamp::from_micros), ..new_key(Role::Admin) };
        let checked = new.check(&keeper(Role::Admin, keepers), NOW);
        assert_eq!(checked.map_err(field_of), if passes { Ok(()) } else { Err("expires_at".to_owned()) });
    }

    #[test]
    fn tidied_keys_are_one_input() {
        let admin = keeper(Role::Admin, Some(2_000));
        let (mut once, mut twice) = (new_key(Role::Gateway), new_key(Role::Gateway));
        once.businesses = listed(2);
        twice.businesses = listed(2).map(|mut listed| {
            listed.reverse();
            [listed.clone(), listed].concat()
        });
        assert_ne!(once.hash(), twice.hash());
        let (once, twice) = (once.tidied(&admin), twice.tidied(&admin));
        assert_eq!((once.hash(), once.expires_at), (twice.hash(), Some(Timestamp::from_micros(2_000))));
    }

    #[test]
    fn room_and_overlap() {
        assert_eq!(check_room(LIVE_KEYS_MAX - 1), Ok(()));
        assert_eq!(
            check_room(LIVE_KEYS_MAX).map_err(|refusal| refusal.to_string()),
            Err("The business has 100 keys already; revoke one that it does not use.".to_owned())
        );
        for (seconds, passes) in [(0, true), (OVERLAP_SECONDS_MAX, true), (-1, false), (OVERLAP_SECONDS_MAX + 1, false)]
        {
            assert_eq!(check_overlap(seconds).is_ok(), passes, "{seconds}");
        }
    }
}
