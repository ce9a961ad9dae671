//! Builds charge requests once, and changes only their message ids each time.

use wecall_billing::clock::Clock;

use crate::calls::{Businesses, Charges, ID_LENGTH, Random, WALLETS};

/// Numbers of several countries and operators.
pub(crate) const NUMBERS: [&str; 4] = ["+254712345678", "+256772345678", "+255742345678", "+250788345678"];

const TEXT: &str = "Your code is 471100. It is valid for ten minutes. Tell it to nobody.";

/// A body that charges one message or many, and the one that reports them delivered.
#[derive(Debug)]
pub(crate) struct Body {
    charges: Vec<u8>,
    reports: Vec<u8>,
    /// The positions of the ids in each.
    ids: Vec<(usize, usize)>,
    charges_asked: Charges,
    /// The business of a single message.
    business: String,
    clock: Clock,
}

impl Body {
    pub(crate) fn new(businesses: &Businesses, asked: Charges, random: &mut Random) -> Body {
        let blank = "0".repeat(ID_LENGTH);
        let (mut charges, mut reports, mut ids) = (String::new(), String::new(), Vec::new());
        let mut only = String::new();
        for number in 0..asked.size {
            let business = if asked.hot { businesses.name(0) } else { businesses.name(random.below(WALLETS)) };
            let to = NUMBERS[random.below(NUMBERS.len() as u64) as usize];
            let comma = if number == 0 { "" } else { "," };
            let who = format!(r#"{comma}{{"business_sid":"{business}","message_sid":""#);
            charges += &who;
            reports += &who;
            // What goes around the items of a batch comes later, and is equally long for all of them.
            ids.push((charges.len(), reports.len()));
            charges += &format!(r#"{blank}","to":"{to}","body":"{TEXT}"}}"#);
            reports += &format!(r#"{blank}","status":"delivered"}}"#);
            only = business;
        }
        if asked.size > 1 {
            const CHARGES: &str = r#"{"charges":["#;
            const REPORTS: &str = r#"{"deliveries":["#;
            charges = format!("{CHARGES}{charges}]}}");
            reports = format!("{REPORTS}{reports}]}}");
            for (in_charges, in_reports) in &mut ids {
                *in_charges += CHARGES.len();
                *in_reports += REPORTS.len();
            }
        }
        Body {
            charges: charges.into_bytes(),
            reports: reports.into_bytes(),
            ids,
            charges_asked: asked,
            business: only,
            clock: Clock::system(),
        }
    }

    /// Gives every message a new id.
    pub(crate) fn renew(&mut self, random: &mut Random) {
        for (in_charges, in_reports) in &self.ids {
            let id = &mut self.charges[*in_charges..in_charges + ID_LENGTH];
            self.charges_asked.ids.write(id, &self.clock, random);
            if self.charges_asked.reported {
                self.reports[*in_reports..in_reports + ID_LENGTH].copy_from_slice(id);
            }
        }
    }

    pub(crate) fn charges_path(&self) -> &'static str {
        if self.ids.len() == 1 { "/api/billing/charges/" } else { "/api/billing/charges/batch/" }
    }

    pub(crate) fn charges(&self) -> &[u8] {
        &self.charges
    }

    /// The address and the body of the delivery reports.
    pub(crate) fn reports(&self) -> (String, &[u8]) {
        match self.ids.as_slice() {
            [(at, _)] => {
                let message = String::from_utf8_lossy(&self.charges[*at..at + ID_LENGTH]);
                let path = format!("/api/billing/charges/{}/{message}/delivery/", self.business);
                (path, br#"{"status":"delivered"}"#)
            }
            _ => ("/api/billing/deliveries/batch/".to_owned(), &self.reports),
        }
    }
}
