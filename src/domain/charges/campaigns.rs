//! Parses and checks campaigns: one text to many numbers.

use serde::Deserialize;

use crate::domain::prices::lookup::GivenDestination;
use crate::domain::prices::messages::OfferedMessage;
use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::values::fields::InvalidMessage;

/// How many messages one campaign has at most.
pub const RECIPIENTS_MAX: usize = 10_000;
/// How much is kept of a recipient that is no number.
const UNREADABLE_MAX: usize = 32;

/// Whom a message of a campaign goes to, as the caller wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Recipient {
    Number(PhoneNumber),
    /// The beginning of what is no number.
    Unreadable(String),
}

impl From<String> for Recipient {
    fn from(text: String) -> Recipient {
        match text.parse() {
            Ok(number) => Recipient::Number(number),
            Err(_) => Recipient::Unreadable(text.chars().take(UNREADABLE_MAX).collect()),
        }
    }
}

impl Recipient {
    /// A number masked; what is none as it was given, so that the caller can find and mend it.
    pub(super) fn shown(&self) -> String {
        match self {
            Recipient::Number(number) => number.masked(),
            Recipient::Unreadable(text) => text.clone(),
        }
    }
}

/// One text to many numbers.
#[derive(Debug)]
pub struct Campaign {
    /// A number given twice is two messages.
    pub recipients: Vec<Recipient>,
    /// Each of the messages, without its destination.
    pub message: OfferedMessage,
}

impl Campaign {
    /// # Errors
    /// [`InvalidMessage`] where there are no recipients or too many, or where a destination is given for all of them.
    pub fn new(recipients: Vec<Recipient>, message: OfferedMessage) -> Result<Campaign, InvalidMessage> {
        if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
            let problem = format!("must hold 1 to {RECIPIENTS_MAX} numbers");
            return Err(InvalidMessage { field: "recipients", problem });
        }
        let GivenDestination { to, country, operator, network } = &message.given;
        let given = [
            ("to", to.is_some()),
            ("country_code", country.is_some()),
            ("operator", operator.is_some()),
            ("mcc", network.is_some()),
        ];
        if let Some((field, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
            let problem = "must be left out where recipients is given: each number tells its own destination";
            return Err(InvalidMessage { field, problem: problem.to_owned() });
        }
        Ok(Campaign { recipients, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn campaigns_have_recipients_and_no_other_destination() {
        let field = |recipients, given| {
            let message = OfferedMessage { given, ..OfferedMessage::default() };
            Campaign::new(recipients, message).map_err(|invalid| invalid.field).err()
        };
        let one = || vec![Recipient::from("+254712345678".to_owned())];
        let nowhere = GivenDestination::default;
        assert_eq!(field(one(), nowhere()), None);
        assert_eq!(field(vec![one().remove(0); RECIPIENTS_MAX], nowhere()), None);
        assert_eq!(field(vec![one().remove(0); RECIPIENTS_MAX + 1], nowhere()), Some("recipients"));
        assert_eq!(field(Vec::new(), nowhere()), Some("recipients"));
        let kenya = GivenDestination { country: "KE".parse().ok(), ..nowhere() };
        assert_eq!(field(one(), kenya), Some("country_code"));
    }
}
