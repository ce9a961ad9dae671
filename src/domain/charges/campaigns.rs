//! Parses and checks campaigns: one text to many numbers.

use serde::Deserialize;

use crate::domain::prices::lookup::GivenDestination;
use crate::domain::prices::messages::OfferedMessage;
use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::values::fields::FieldError;

/// The most recipients of one campaign.
pub const RECIPIENTS_MAX: usize = 10_000;
/// How many characters are kept of a recipient that is not a phone number.
const UNREADABLE_MAX: usize = 32;

/// A recipient of a campaign, as the caller wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Recipient {
    Number(PhoneNumber),
    /// The first characters of a text that is not a phone number.
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
    /// The number masked; a text that is no number as given, so that the caller can find and correct it.
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
    /// A number listed twice counts as two messages.
    pub recipients: Vec<Recipient>,
    /// The message that each recipient gets, without a destination.
    pub message: OfferedMessage,
}

impl Campaign {
    /// # Errors
    /// [`FieldError`] where there are no recipients or too many, or where a destination is given for all of them.
    pub fn new(recipients: Vec<Recipient>, message: OfferedMessage) -> Result<Campaign, FieldError> {
        if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
            let problem = format!("must hold 1 to {RECIPIENTS_MAX} numbers");
            return Err(FieldError::new("recipients", problem));
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
            return Err(FieldError::new(field, problem));
        }
        Ok(Campaign { recipients, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn campaigns_have_recipients_and_no_other_destination() {
        let wrong = |recipients, given| {
            let message = OfferedMessage { given, ..OfferedMessage::default() };
            Campaign::new(recipients, message).map_err(|invalid| invalid.field).err()
        };
        let field = |name: &str| Some(name.to_owned());
        let one = || vec![Recipient::from("+254712345678".to_owned())];
        let nowhere = GivenDestination::default;
        assert_eq!(wrong(one(), nowhere()), None);
        assert_eq!(wrong(vec![one().remove(0); RECIPIENTS_MAX], nowhere()), None);
        assert_eq!(wrong(vec![one().remove(0); RECIPIENTS_MAX + 1], nowhere()), field("recipients"));
        assert_eq!(wrong(Vec::new(), nowhere()), field("recipients"));
        let kenya = GivenDestination { country: "KE".parse().ok(), ..nowhere() };
        assert_eq!(wrong(one(), kenya), field("country_code"));
    }
}
