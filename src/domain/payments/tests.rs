//! Tests provider names, masked payment methods, and how confirmations are judged.

use rstest::rstest;
use uuid::Uuid;

use super::confirmations::{Confirmation, ConfirmationFacts, PaymentOutcome, Verdict, judge};
use super::providers::{PaymentMethod, ProviderName, failure_text};
use super::suspense::SuspenseCause;
use super::*;

#[test]
fn names_of_providers() {
    assert!("mpesa-ke_2".parse::<ProviderName>().is_ok());
    for bad in ["", "M-Pesa", "a b", "../x", &"x".repeat(33)] {
        assert!(bad.parse::<ProviderName>().is_err(), "{bad:?}");
    }
}

fn payment(status: PaymentStatus, provider_reference: Option<&str>) -> Payment {
    Payment {
        sid: PaymentSid::new(Uuid::nil()),
        business_sid: "a".parse().expect("a business"),
        purpose: PaymentPurpose::Topup,
        provider: "mpesa".parse().expect("a provider"),
        amount: Money::from_units(20),
        currency: "USD".parse().expect("a currency"),
        status,
        reference: Reference::default(),
        method: None,
        provider_reference: provider_reference.map(|text| text.parse().expect("a reference")),
        failure: None,
        transaction_sid: None,
        created_at: Timestamp::from_micros(0),
        requested_at: None,
        settled_at: None,
    }
}

use PaymentStatus::{Completed, Failed, Pending};
use SuspenseCause::{OtherAmount, OtherCurrency, PaidTwice, ReferenceUsed, UnknownReference};
use Verdict::{Complete, Fail, Replay, Suspend};

/// The payment's status and the provider's reference of it; what the confirmation says; what becomes of it.
#[rstest]
#[case(Some((Pending, None)), Some(("R1", 20, "USD")), Complete)]
#[case(Some((Pending, Some("request-1"))), Some(("R1", 20, "USD")), Complete)] // the receipt has a name of its own
#[case(Some((Failed, None)), Some(("R1", 20, "USD")), Complete)] // late
#[case(Some((Completed, Some("R1"))), Some(("R1", 20, "USD")), Replay)]
#[case(Some((Completed, Some("R1"))), Some(("R1", 21, "USD")), Replay)]
#[case(Some((Completed, Some("R1"))), Some(("R2", 20, "USD")), Suspend(PaidTwice))]
#[case(Some((Pending, None)), Some(("R1", 19, "USD")), Suspend(OtherAmount))]
#[case(Some((Failed, None)), Some(("R1", 21, "USD")), Suspend(OtherAmount))]
#[case(Some((Pending, None)), Some(("R1", 20, "KES")), Suspend(OtherCurrency))]
#[case(None, Some(("R1", 20, "USD")), Suspend(UnknownReference))]
#[case(Some((Pending, None)), None, Fail)]
#[case(Some((Failed, None)), None, Replay)]
#[case(Some((Completed, Some("R1"))), None, Replay)]
#[case(None, None, Replay)]
fn verdicts(
    #[case] stored: Option<(PaymentStatus, Option<&str>)>,
    #[case] said: Option<(&str, i32, &str)>,
    #[case] expected: Verdict,
) {
    let stored = stored.map(|(status, reference)| payment(status, reference));
    let outcome = match said {
        None => PaymentOutcome::Failed { reason: "cancelled".to_owned() },
        Some((reference, amount, currency)) => PaymentOutcome::Completed {
            provider_reference: reference.parse().expect("a reference"),
            amount: Money::from_units(amount),
            currency: currency.parse().expect("a currency"),
        },
    };
    let confirmation = Confirmation { provider: "mpesa".parse().expect("a provider"), payment: "pay".into(), outcome };
    let known = ConfirmationFacts { payment: stored.as_ref(), ..ConfirmationFacts::default() };
    assert_eq!(judge(known, &confirmation), expected);
    if said.is_some() {
        assert_eq!(
            judge(ConfirmationFacts { is_suspended: true, ..known }, &confirmation),
            Replay,
            "it is an admin's by now"
        );
        let used = judge(ConfirmationFacts { has_completed_another: true, ..known }, &confirmation);
        assert_ne!(used, Complete, "the same money is not credited to two payments");
        if expected == Complete {
            assert_eq!(used, Suspend(ReferenceUsed));
        }
    }
}

#[rstest]
#[case("+254712345678", "+25471****678")]
#[case("0712345678", "****5678")]
#[case("card_1234567890", "****7890")]
#[case("1234", "****")]
fn methods_are_masked(#[case] method: &str, #[case] shown: &str) {
    let method: PaymentMethod = method.parse().expect("a method");
    assert_eq!(method.masked(), shown);
    assert_eq!(format!("{method:?}"), "PaymentMethod(…)");
}

#[test]
fn what_a_provider_says_stays_on_one_line() {
    assert_eq!(failure_text("a\nb\u{0}"), "a b");
    assert_eq!(failure_text(" \n"), "the provider gave no reason");
    assert_eq!(failure_text(&"é".repeat(300)).chars().count(), 200);
}
