//! Defines bounded texts that callers give: titles, reasons, search texts, e-mail addresses.

use std::fmt;
use std::str::FromStr;

use super::named_enum::deserialize_from_str;

/// Defines a text of bounded length without control characters (they would garble a statement, and Postgres stores no
/// NUL at all).
macro_rules! short_texts {
    ($($(#[$meta:meta])* $name:ident: $shortest:literal..=$longest:literal),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                if ($shortest..=$longest).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
                    Ok($name(text.to_owned()))
                } else {
                    Err(concat!(
                        "must be ", stringify!($shortest), " to ", stringify!($longest),
                        " characters, with no control characters"
                    ).to_owned())
                }
            }
        }

        deserialize_from_str!($name);
    )+};
}

short_texts! {
    /// A caller's own reference for a transaction: shown to the client, compared with nothing.
    Reference: 0..=255,
    /// The name of a mobile operator, as on a rate card.
    OperatorName: 1..=64,
    /// A search term of the audit log: a name exactly as it was recorded.
    AuditText: 1..=128,
    /// A title that a caller gives an object.
    Title: 1..=64,
    /// The name of a mobile operator; empty on a card for the whole country.
    OptionalOperator: 0..=64,
    /// A feature of a plan, beside its prices.
    Feature: 1..=255,
    /// The description of a plan or a rate card.
    LongText: 0..=1000,
    /// The reason for an action by hand.
    Reason: 1..=255,
    /// The search text of a list.
    SearchText: 1..=100,
    /// The name of a business on its invoices.
    BusinessName: 1..=128,
    /// The address of a business, on one line; empty where unknown.
    Address: 0..=500,
    /// The tax id of a business; empty where unknown.
    TaxId: 0..=64,
    /// The error code that an operator's network gave for a message.
    ErrorCode: 1..=64,
}

impl OperatorName {
    /// The key that equal names share: operators are matched without regard to case or to blanks around them.
    pub fn key(name: &str) -> String {
        name.trim().to_lowercase()
    }
}

/// An e-mail address to log in with, in lower case, so that it is equal however it is typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = String;

    /// Checks the shape only: no rule can tell whether somebody reads it (RFC 5321 sets the lengths).
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

deserialize_from_str!(Email);

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn bounds() {
        assert!("".parse::<Reference>().is_ok());
        assert!("é".repeat(255).parse::<Reference>().is_ok());
        for bad in ["x".repeat(256), "a\0b".to_owned(), "a\nb".to_owned()] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?}");
        }
        assert!("".parse::<OperatorName>().is_err());
    }

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
}
