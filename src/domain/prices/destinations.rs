//! Defines the destination of a message, its country and operator, and how it was identified.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::values::countries::CountryCode;
use crate::domain::values::named_enum::named_enum;

named_enum! {
    /// What told the destination of a message. Number porting makes a prefix a guess; what the gateway gives is none.
    pub enum MatchedBy {
        /// The MCC and MNC that the gateway gave.
        Network = "NETWORK",
        /// The country that the gateway gave, with an operator or without.
        Given = "GIVEN",
        /// The longest prefix of the number that names an operator or a country.
        Prefix = "PREFIX",
    }
}

/// A message's destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    pub country: CountryCode,
    /// Empty where it is not known.
    pub operator: Arc<str>,
    pub matched_by: MatchedBy,
    /// What matched: the network `639-02`, the country and operator given, or the prefix.
    pub matched: Arc<str>,
}
