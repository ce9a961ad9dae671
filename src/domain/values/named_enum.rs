//! Declares enums with text names, the same in JSON, query strings and database columns.

/// Defines an enum with one spelling per value, and with it `as_str`, `ALL`, `Display`, `FromStr`, `Serialize` and
/// `Deserialize`.
macro_rules! named_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            /// Letter case does not matter.
            fn from_str(text: &str) -> Result<$name, String> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str().eq_ignore_ascii_case(text))
                    .ok_or_else(|| concat!("must be one of ", $($text, ", "),+).trim_end_matches(", ").to_owned())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// `Deserialize` through `FromStr`, so that the same sentence answers a bad value wherever it stands.
macro_rules! deserialize_from_str {
    ($($name:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use {deserialize_from_str, named_enum};

#[cfg(test)]
mod tests {
    named_enum! {
        pub enum Size { Small = "SMALL", Large = "LARGE" }
    }

    #[test]
    fn one_spelling_both_ways() {
        assert_eq!("large".parse(), Ok(Size::Large));
        assert_eq!("huge".parse::<Size>(), Err("must be one of SMALL, LARGE".to_owned()));
        assert_eq!(serde_json::to_string(&Size::Small).ok().as_deref(), Some("\"SMALL\""));
        assert_eq!(Size::Large.to_string(), "LARGE");
    }
}
