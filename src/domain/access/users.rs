//! Defines users, who log in by e-mail address and password, and checks passwords and login failures.

use std::fmt;
use std::str::FromStr;

use super::rights::Role;
use crate::domain::values::named_enum::{deserialize_from_str, named_enum};
use crate::domain::values::sid::{BusinessSid, UserSid};
use crate::domain::values::text::Email;
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Version;

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
    /// The version of the user, for `If-Match`. The last login is not part of it: it would change while an admin edits
    /// the user.
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

    /// Whether the user has the rights of an admin now.
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && self.status == UserStatus::Active
    }
}

/// A password in clear. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub const SHORTEST: usize = 12;
    /// In characters: long enough for any phrase, and short enough to hash at no extra cost.
    pub const LONGEST: usize = 256;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks that a password is strong enough for the login of this address. Its composition is not checked (NIST SP
    /// 800-63B).
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
        let is_run = lower.as_bytes().windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1) || pair == b"90");
        if is_run || COMMON.iter().any(|common| lower.starts_with(common) && lower.len() < common.len() + 6) {
            return Err("must not be one that everybody tries first".to_owned());
        }
        let local = email.as_str().split('@').next().unwrap_or_default();
        if lower == email.as_str() || (lower.starts_with(local) && lower.len() < local.len() + 5) {
            return Err("must not be your e-mail address".to_owned());
        }
        Ok(())
    }
}

/// Common parts of long passwords: one of these and a few more characters are soon guessed.
const COMMON: &[&str] = &[
    "password",
    "passw0rd",
    "p@ssw0rd",
    "qwertyuiop",
    "qwerty123",
    "1234567890",
    "0987654321",
    "1q2w3e4r",
    "iloveyou",
    "administrator",
    "changeme",
    "letmein",
    "welcome",
    "abcdefgh",
    "qazwsxedc",
    "zaq12wsx",
];

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

deserialize_from_str!(Password);

/// The subject that failed logins are counted for: a user or a client address. Each is counted by itself, so that
/// neither one address can try many users nor many addresses one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSubject(String);

impl FailureSubject {
    pub fn user(email: &Email) -> FailureSubject {
        FailureSubject(format!("user {email}"))
    }

    pub fn address(address: &str) -> FailureSubject {
        FailureSubject(format!("address {address}"))
    }

    /// The logged-in user who changes their own password.
    pub fn password_change(email: &Email) -> FailureSubject {
        FailureSubject(format!("password of {email}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many failures within [`LOCKED_SECONDS`] lock the subject. An address may stand for a whole office.
    pub fn failures_max(&self) -> i64 {
        if self.0.starts_with("address ") { 50 } else { 10 }
    }
}

/// For how many seconds failures count, from the first one on, and so the longest time that a login stays locked. Short
/// enough that nobody is kept out for long by somebody else's guesses; at ten guesses in a quarter of an hour no strong
/// password is guessed.
pub const LOCKED_SECONDS: i64 = 15 * 60;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("correct horse battery", true)]
    #[case("habari ya asubuhi", true)]
    #[case("elevenchars", false)]
    #[case("aaaaaaaaaaaaaaaa", false)]
    #[case("asha.mwangi@example.com", false)]
    #[case("asha.mwangi1", false)]
    #[case("123456789012", false)]
    #[case("abcdefghijkl", false)]
    #[case("Password1234!", false)]
    #[case("password in a long sentence", true)]
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
