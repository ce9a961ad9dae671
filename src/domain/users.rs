//! Users: people who come in by e-mail address and password.

use std::fmt;
use std::str::FromStr;

use super::access::Role;
use super::businesses::BusinessSid;
use super::names::{deserialize_from_str, named_enum};
use super::sid::UserSid;
use super::time::Timestamp;
use super::versions::Version;

named_enum! {
    pub enum UserStatus { Active = "ACTIVE", Disabled = "DISABLED" }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub sid: UserSid,
    pub email: Email,
    pub name: String,
    pub role: Role,
    /// None for admins.
    pub business: Option<BusinessSid>,
    pub status: UserStatus,
    pub password_changed_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl User {
    /// When they last logged in is no part of it: that is nobody's to overwrite, and would change it under who edits them.
    pub fn version(&self) -> Version {
        let User {
            sid,
            email,
            name,
            role,
            business,
            status,
            password_changed_at,
            last_login_at: _,
            created_at,
            updated_at,
        } = self;
        Version::of(&(sid, email, name, role, business, status, password_changed_at, created_at, updated_at))
    }

    /// Whether they may do what admins may.
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && self.status == UserStatus::Active
    }
}

/// An e-mail address, by which somebody logs in: in lower case, so that it is one however it is typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = String;

    /// Only its shape is looked at: whether somebody reads it no rule can tell (RFC 5321 sets the lengths).
    fn from_str(text: &str) -> Result<Email, String> {
        let text = text.trim().to_ascii_lowercase();
        let is_fit = text.len() <= 254 && text.bytes().all(|byte| byte.is_ascii_graphic());
        match text.split_once('@') {
            Some((local, domain))
                if is_fit
                    && (1..=64).contains(&local.len())
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !domain.starts_with('.')
                    && !domain.ends_with('.') =>
            {
                Ok(Email(text))
            }
            _ => Err("must be an e-mail address such as asha@example.com".to_owned()),
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A password as it is typed. `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub const SHORTEST: usize = 12;
    /// Long enough for any phrase, and short enough that hashing one costs no more than it has to.
    pub const LONGEST: usize = 256;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is fit to protect the login of this address. What a password is made of is not asked (NIST SP 800-63B).
    ///
    /// # Errors
    /// A sentence on the rule it breaks.
    pub fn check_for(&self, email: &Email) -> Result<(), String> {
        if self.0.chars().count() < Password::SHORTEST {
            return Err(format!("must be at least {} characters; a sentence is fine", Password::SHORTEST));
        }
        let lower = self.0.to_lowercase();
        let mut letters = lower.chars();
        let first = letters.next();
        if letters.all(|letter| Some(letter) == first) {
            return Err("must not be one character again and again".to_owned());
        }
        let local = email.as_str().split('@').next().unwrap_or_default();
        if lower == email.as_str() || (lower.starts_with(local) && lower.len() < local.len() + 5) {
            return Err("must not be your e-mail address".to_owned());
        }
        Ok(())
    }
}

impl FromStr for Password {
    type Err = String;

    fn from_str(text: &str) -> Result<Password, String> {
        if (1..=Password::LONGEST).contains(&text.chars().count()) && !text.contains('\0') {
            Ok(Password(text.to_owned()))
        } else {
            Err(format!("must be 1 to {} characters", Password::LONGEST))
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

deserialize_from_str!(Email, Password);

/// Who failed to log in: whose login it was to be, or from where. Each is counted by itself, so that neither one address
/// tries many users nor many addresses try one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSubject(String);

impl FailureSubject {
    pub fn user(email: &Email) -> FailureSubject {
        FailureSubject(format!("user {email}"))
    }

    pub fn address(address: &str) -> FailureSubject {
        FailureSubject(format!("address {address}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many failures within [`LOCKED_SECONDS`] lock it. An address may stand for a whole office.
    pub fn failures_max(&self) -> i64 {
        if self.0.starts_with("user ") { 10 } else { 50 }
    }
}

/// How long failures count, and so how long a login stays locked after the last of them. Short enough that nobody is kept
/// out for long by somebody else's guesses; at ten guesses in a quarter of an hour no fit password is guessed.
pub const LOCKED_SECONDS: i64 = 15 * 60;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("asha@example.com", Some("asha@example.com"))]
    #[case(" Asha@Example.COM ", Some("asha@example.com"))]
    #[case("a@b", Some("a@b"))]
    #[case("asha", None)]
    #[case("@example.com", None)]
    #[case("asha@", None)]
    #[case("a@b@c", None)]
    #[case("a b@c.d", None)]
    #[case("a@.c", None)]
    #[case("é@example.com", None)]
    fn emails(#[case] text: &str, #[case] email: Option<&str>) {
        assert_eq!(text.parse::<Email>().ok().as_ref().map(Email::as_str), email);
    }

    #[rstest]
    #[case("correct horse battery", true)]
    #[case("habari ya asubuhi", true)]
    #[case("elevenchars", false)]
    #[case("aaaaaaaaaaaaaaaa", false)]
    #[case("asha.mwangi@example.com", false)]
    #[case("asha.mwangi1", false)]
    fn passwords(#[case] text: &str, #[case] fit: bool) {
        let email = "asha.mwangi@example.com".parse().expect("an address");
        let password: Password = text.parse().expect("a password");
        assert_eq!(password.check_for(&email).is_ok(), fit);
    }

    #[test]
    fn a_password_has_bounds_and_is_not_told() {
        assert!("".parse::<Password>().is_err() && "x".repeat(257).parse::<Password>().is_err());
        let password: Password = "correct horse".parse().expect("a password");
        assert!(!format!("{password:?}").contains("horse"));
    }
}
