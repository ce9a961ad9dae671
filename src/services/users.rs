//! Users: making them.

use serde_json::json;

use super::Billing;
use crate::domain::access::Role;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::businesses::{BusinessKind, BusinessSid};
use crate::domain::sid::UserSid;
use crate::domain::text::Title;
use crate::domain::users::{Email, Password, User, UserStatus};
use crate::error::{Error, Result};
use crate::storage;

/// A user to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: Email,
    pub name: Title,
    pub role: Role,
    /// Whose people they are; none for admins.
    pub business: Option<BusinessSid>,
    pub password: Password,
}

impl NewUser {
    fn check(&self) -> Result<()> {
        match (&self.business, self.role) {
            (_, Role::Gateway) => return Err(Error::invalid("role", "must not be gateway: that is for keys")),
            (Some(_), Role::Admin) => {
                return Err(Error::invalid("business_sid", "must be left out: an admin belongs to none"));
            }
            (None, Role::Client | Role::Reseller) => {
                return Err(Error::invalid("business_sid", format!("is missing: a {} belongs to one", self.role)));
            }
            _ => {}
        }
        self.password.check_for(&self.email).map_err(|problem| Error::invalid("password", problem))
    }
}

/// Makes a user, who can log in from then on.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Exists`] where the address is taken; those of the database.
pub async fn create(billing: &Billing, new: NewUser, actor: &Actor) -> Result<User> {
    new.check()?;
    let hash = billing.passwords.hash(&new.password).await?;
    let now = billing.clock.now();
    let user = User {
        sid: UserSid::new(billing.clock.new_id()),
        email: new.email,
        name: new.name.as_str().to_owned(),
        role: new.role,
        business: new.business,
        status: UserStatus::Active,
        password_changed_at: now,
        last_login_at: None,
        created_at: now,
        updated_at: now,
    };
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    if let Some(business) = &user.business {
        match storage::businesses::find_kind(&mut conn, business).await? {
            None => return Err(Error::invalid("business_sid", "names no business that exists")),
            Some(BusinessKind::Client) if user.role == Role::Reseller => {
                return Err(Error::invalid("role", "must be client: the business is no reseller"));
            }
            Some(_) => {}
        }
    }
    if !storage::users::insert(&mut conn, &user, &hash).await? {
        return Err(Error::Exists { field: "email", problem: "is the address of a user already".to_owned() });
    }
    let after = json!({"email": user.email, "name": user.name, "role": user.role, "business_sid": user.business});
    let entry = AuditEntry::created(AuditAction::UserCreated, user.sid.to_string(), after);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await?;
    Ok(user)
}
