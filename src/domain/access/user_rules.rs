//! Applies changes to a user and checks them: role against business, the last admin, one's own user.

use super::rights::Role;
use super::users::{User, UserStatus};
use crate::domain::businesses::BusinessKind;
use crate::domain::values::sid::{BusinessSid, UserSid};
use crate::domain::values::text::Title;
use crate::domain::values::time::Timestamp;

/// Changes to a user. Fields left out stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChanges {
    pub name: Option<Title>,
    pub role: Option<Role>,
    /// `Some(None)`: the user is to belong to no business.
    pub business: Option<Option<BusinessSid>>,
    pub status: Option<UserStatus>,
}

impl UserChanges {
    /// The changed user, with `now` as the time of change; equal to `before` where nothing changes.
    pub fn apply_to(self, before: &User, now: Timestamp) -> User {
        let after = User {
            name: self.name.map_or_else(|| before.name.clone(), |name| name.as_str().to_owned()),
            role: self.role.unwrap_or(before.role),
            business: self.business.unwrap_or_else(|| before.business.clone()),
            status: self.status.unwrap_or(before.status),
            ..before.clone()
        };
        if after == *before { after } else { User { updated_at: now, ..after } }
    }
}

/// Why a user may not be created, changed or deleted so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    #[error("must not be gateway: that is for keys")]
    GatewayUser,
    #[error("must be left out, or null: an admin belongs to none")]
    AdminOfBusiness,
    #[error("is missing: a {0} belongs to one")]
    WithoutBusiness(Role),
    #[error("names no business that exists")]
    BusinessMissing,
    #[error("must be client: the business is no reseller")]
    BusinessIsNoReseller,
    #[error("Nobody disables, deletes or takes the admin's role from themselves: let another admin do it.")]
    OwnUser,
    #[error("This is the last admin who can log in: make another one first.")]
    LastAdmin,
}

impl UserRefusal {
    /// The field at fault, where it is a single one.
    pub fn field(self) -> Option<&'static str> {
        match self {
            UserRefusal::GatewayUser | UserRefusal::BusinessIsNoReseller => Some("role"),
            UserRefusal::AdminOfBusiness | UserRefusal::WithoutBusiness(_) | UserRefusal::BusinessMissing => {
                Some("business_sid")
            }
            UserRefusal::OwnUser | UserRefusal::LastAdmin => None,
        }
    }

    /// The error code of the API.
    pub fn code(self) -> &'static str {
        match self {
            UserRefusal::OwnUser => "own_user",
            UserRefusal::LastAdmin => "last_admin",
            _ => "invalid_request",
        }
    }
}

/// Checks that a role belongs to a business, or to none, as this user does.
///
/// # Errors
/// The field that is wrong.
pub fn check_belonging(role: Role, business: Option<&BusinessSid>) -> Result<(), UserRefusal> {
    match (role, business) {
        (Role::Gateway, _) => Err(UserRefusal::GatewayUser),
        (Role::Admin, Some(_)) => Err(UserRefusal::AdminOfBusiness),
        (Role::Client | Role::Reseller, None) => Err(UserRefusal::WithoutBusiness(role)),
        (Role::Admin, None) | (Role::Client | Role::Reseller, Some(_)) => Ok(()),
    }
}

/// Checks that the business of a user suits their role. `kind`: its kind, `None` where it does not exist.
///
/// # Errors
/// Why it does not.
pub fn check_business(role: Role, kind: Option<BusinessKind>) -> Result<(), UserRefusal> {
    match kind {
        None => Err(UserRefusal::BusinessMissing),
        Some(BusinessKind::Client) if role == Role::Reseller => Err(UserRefusal::BusinessIsNoReseller),
        Some(_) => Ok(()),
    }
}

/// Checks that a change (or, with `after` as `None`, a deletion) does not take the admin's role from oneself or from
/// the last admin. `by`: the user who asks; `None` for a key or a subcommand.
///
/// # Errors
/// [`UserRefusal::OwnUser`] and [`UserRefusal::LastAdmin`].
pub fn check_loss(
    before: &User,
    after: Option<&User>,
    by: Option<UserSid>,
    has_other_admins: bool,
) -> Result<(), UserRefusal> {
    let is_lost = before.is_active_admin() && !after.is_some_and(User::is_active_admin);
    if is_lost && by == Some(before.sid) {
        Err(UserRefusal::OwnUser)
    } else if is_lost && !has_other_admins {
        Err(UserRefusal::LastAdmin)
    } else {
        Ok(())
    }
}

/// Whether a change ends the user's open sessions, because role, business or status are no longer those they were
/// opened with.
pub fn ends_sessions(before: &User, after: &User) -> bool {
    (before.role, &before.business) != (after.role, &after.business)
        || (before.status == UserStatus::Active && after.status == UserStatus::Disabled)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use uuid::Uuid;

    use super::*;

    fn business() -> BusinessSid {
        "b".parse().expect("a business")
    }

    fn user(number: u128, role: Role, status: UserStatus) -> User {
        User {
            sid: UserSid::new(Uuid::from_u128(number)),
            email: "asha@example.com".parse().expect("an address"),
            name: "Asha".to_owned(),
            role,
            business: role.has_business().then(business),
            status,
            password_changed_at: Timestamp::from_micros(0),
            last_login_at: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    #[rstest]
    #[case(Role::Admin, false, None)]
    #[case(Role::Admin, true, Some(UserRefusal::AdminOfBusiness))]
    #[case(Role::Client, true, None)]
    #[case(Role::Client, false, Some(UserRefusal::WithoutBusiness(Role::Client)))]
    #[case(Role::Reseller, true, None)]
    #[case(Role::Reseller, false, Some(UserRefusal::WithoutBusiness(Role::Reseller)))]
    #[case(Role::Gateway, false, Some(UserRefusal::GatewayUser))]
    #[case(Role::Gateway, true, Some(UserRefusal::GatewayUser))]
    fn belonging(#[case] role: Role, #[case] has_business: bool, #[case] refusal: Option<UserRefusal>) {
        let business = has_business.then(business);
        assert_eq!(check_belonging(role, business.as_ref()).err(), refusal);
    }

    #[rstest]
    #[case(Role::Client, Some(BusinessKind::Client), None)]
    #[case(Role::Client, Some(BusinessKind::Reseller), None)]
    #[case(Role::Reseller, Some(BusinessKind::Reseller), None)]
    #[case(Role::Reseller, Some(BusinessKind::Client), Some(UserRefusal::BusinessIsNoReseller))]
    #[case(Role::Client, None, Some(UserRefusal::BusinessMissing))]
    fn businesses(#[case] role: Role, #[case] kind: Option<BusinessKind>, #[case] refusal: Option<UserRefusal>) {
        assert_eq!(check_business(role, kind).err(), refusal);
    }

    const ACTIVE: UserStatus = UserStatus::Active;
    const DISABLED: UserStatus = UserStatus::Disabled;

    #[rstest]
    // Before; after, or gone; whose login asks: their own (1), another's (2), none (0); whether there are other admins.
    #[case((Role::Admin, ACTIVE), Some((Role::Admin, DISABLED)), 2, true, None)]
    #[case((Role::Admin, ACTIVE), Some((Role::Admin, DISABLED)), 2, false, Some(UserRefusal::LastAdmin))]
    #[case((Role::Admin, ACTIVE), Some((Role::Admin, DISABLED)), 1, true, Some(UserRefusal::OwnUser))]
    #[case((Role::Admin, ACTIVE), Some((Role::Admin, DISABLED)), 1, false, Some(UserRefusal::OwnUser))]
    #[case((Role::Admin, ACTIVE), Some((Role::Client, ACTIVE)), 0, true, None)]
    #[case((Role::Admin, ACTIVE), Some((Role::Client, ACTIVE)), 0, false, Some(UserRefusal::LastAdmin))]
    #[case((Role::Admin, ACTIVE), Some((Role::Client, ACTIVE)), 1, true, Some(UserRefusal::OwnUser))]
    #[case((Role::Admin, ACTIVE), None, 0, true, None)]
    #[case((Role::Admin, ACTIVE), None, 0, false, Some(UserRefusal::LastAdmin))]
    #[case((Role::Admin, ACTIVE), None, 1, true, Some(UserRefusal::OwnUser))]
    #[case((Role::Admin, ACTIVE), Some((Role::Admin, ACTIVE)), 1, false, None)]
    #[case((Role::Admin, DISABLED), None, 2, false, None)]
    #[case((Role::Admin, DISABLED), Some((Role::Client, ACTIVE)), 2, false, None)]
    #[case((Role::Client, ACTIVE), None, 2, false, None)]
    #[case((Role::Reseller, ACTIVE), Some((Role::Reseller, DISABLED)), 0, false, None)]
    fn losses(
        #[case] before: (Role, UserStatus),
        #[case] after: Option<(Role, UserStatus)>,
        #[case] by: u128,
        #[case] has_other_admins: bool,
        #[case] refusal: Option<UserRefusal>,
    ) {
        let before = user(1, before.0, before.1);
        let after = after.map(|(role, status)| user(1, role, status));
        let by = (by > 0).then(|| UserSid::new(Uuid::from_u128(by)));
        assert_eq!(check_loss(&before, after.as_ref(), by, has_other_admins).err(), refusal);
    }

    #[rstest]
    #[case(UserChanges { name: "Juma".parse().ok(), ..UserChanges::default() }, false)]
    #[case(UserChanges { status: Some(DISABLED), ..UserChanges::default() }, true)]
    #[case(UserChanges { role: Some(Role::Reseller), ..UserChanges::default() }, true)]
    #[case(UserChanges { business: Some("other".parse().ok()), ..UserChanges::default() }, true)]
    #[case(UserChanges { role: Some(Role::Client), ..UserChanges::default() }, false)]
    fn sessions(#[case] changes: UserChanges, #[case] ends: bool) {
        let before = user(1, Role::Client, ACTIVE);
        let after = changes.apply_to(&before, Timestamp::from_micros(1));
        assert_eq!(ends_sessions(&before, &after), ends);
    }
}
