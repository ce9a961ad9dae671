//! Defines the destination of a message, its country and operator, and how it was identified.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::values::countries::CountryCode;
use crate::domain::values::named_enum::named_enum;

named_enum! {
    /// How a destination was identified. Number porting makes a prefix a guess; network codes or a country given by the
    /// gateway are certain.
    pub enum MatchedBy {
        /// By the MCC and MNC that the gateway gave.
        Network = "NETWORK",
        /// By the country that the gateway gave, with or without an operator.
        Given = "GIVEN",
        /// By the longest prefix of the number that names an operator or a country.
        Prefix = "PREFIX",
    }
}

/// The destination of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    pub country: CountryCode,
    /// Empty where the operator is unknown.
    pub operator: Arc<str>,
    pub matched_by: MatchedBy,
    /// The text that matched: the network `639-02`, the country and operator given, or the prefix.
    pub matched: Arc<str>,
}
