//! Describes the domain's types in the OpenAPI document.

use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::access::rights::{KeyMode, Role};
use crate::domain::access::users::UserStatus;
use crate::domain::audit::AuditAction;
use crate::domain::businesses::{BusinessKind, BusinessStatus};
use crate::domain::charges::DeliveryStatus;
use crate::domain::charges::usage::Period;
use crate::domain::invoices::{InvoiceKind, InvoiceStatus, LineCategory};
use crate::domain::notifications::alerts::{AlertSeverity, AlertType};
use crate::domain::notifications::events::EventType;
use crate::domain::notifications::webhook_messages::{DeliveryError, MessageStatus};
use crate::domain::notifications::webhooks::WebhookStatus;
use crate::domain::payments::providers::{PaymentMethod, ProviderName, ProviderReference};
use crate::domain::payments::suspense::{SuspenseCause, SuspenseStatus};
use crate::domain::payments::{PaymentPurpose, PaymentStatus};
use crate::domain::prices::destinations::MatchedBy;
use crate::domain::prices::messages::MessageSid;
use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::prices::plans::PlanType;
use crate::domain::prices::rating::RatingRule;
use crate::domain::prices::segments::Encoding;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::{
    AlertSid, BusinessSid, InvoiceSid, KeySid, MessageEventSid, PaymentSid, PlanSid, RateCardSid, SuspenseSid,
    TransactionSid, UserSid, WalletSid, WebhookSid,
};
use crate::domain::values::text::{
    Address, BusinessName, Email, ErrorCode, LongText, OperatorName, Reason, Reference, TaxId, Title,
};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::{TransactionStatus, TransactionType};

macro_rules! schemas {
    ($($type:ty => $schema:expr);+ $(;)?) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $type {}
    )+};
}

macro_rules! enum_schemas {
    ($($type:ty: $description:literal);+ $(;)?) => {
        schemas! {$(
            $type => string($description).enum_values(Some(<$type>::ALL.iter().map(|value| value.as_str()))).build()
        );+}
    };
}

macro_rules! sid_schemas {
    ($($type:ty: $prefix:literal);+ $(;)?) => {
        schemas! {$(
            $type => string("A permanent identifier.")
                .pattern(Some(concat!("^", $prefix, "_[0-9a-f]{32}$")))
                .examples([concat!($prefix, "_019abc3456787def8123456789abcdef")])
                .build()
        );+}
    };
}

fn string(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn number(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number).description(Some(description))
}

schemas! {
    Money => number("An exact amount or price in units of the currency: a plain number with at most six decimals.")
        .examples([serde_json::json!(12.5)])
        .build();
    BasisPoints => number("A percentage: 10 is 10 %.").examples([serde_json::json!(10)]).build();
    Timestamp => string("An instant in UTC (RFC 3339).")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-03-01T09:30:00.000000Z"])
        .build();
    BusinessSid => string("The identifier of a business; `undefined` and `null` are not allowed.")
        .pattern(Some("^[A-Za-z0-9_.-]{1,64}$"))
        .examples(["biz_test_001"])
        .build();
    Currency => string("ISO 4217").pattern(Some("^[A-Z]{3}$")).examples(["USD"]).build();
    CountryCode => string("ISO 3166-1 alpha-2").pattern(Some("^[A-Z]{2}$")).examples(["KE"]).build();
    MessageSid => string("The gateway's id for a message, unique within its business.")
        .pattern(Some("^[A-Za-z0-9_.:-]{1,128}$"))
        .examples(["0195a1b2-c3d4-7e5f-8091-a2b3c4d5e6f7"])
        .build();
    PhoneNumber => string("A phone number in international form.").examples(["+254712345678"]).build();
    OperatorName => string("At most 64 characters").min_length(Some(1)).max_length(Some(64)).examples(["Safaricom"]).build();
    Reason => string("At most 255 characters").min_length(Some(1)).max_length(Some(255)).build();
    ErrorCode => string("At most 64 characters").min_length(Some(1)).max_length(Some(64)).build();
    ProviderName => string("A payment provider in this server's settings")
        .pattern(Some("^[a-z0-9_-]{1,32}$"))
        .examples(["mpesa"])
        .build();
    ProviderReference => string("The provider's own reference for a payment")
        .min_length(Some(1))
        .max_length(Some(128))
        .examples(["SGR7X1KQ2P"])
        .build();
    PaymentMethod => string("What the provider takes the money from, such as a phone number: 1 to 128 characters")
        .min_length(Some(1))
        .max_length(Some(128))
        .examples(["+254712345678"])
        .build();
    Title => string("At most 64 characters").min_length(Some(1)).max_length(Some(64)).examples(["Gateway in Nairobi"]).build();
    Email => string("An e-mail address").min_length(Some(3)).max_length(Some(254)).examples(["asha@example.com"]).build();
    BusinessName => string("At most 128 characters").min_length(Some(1)).max_length(Some(128)).examples(["Acme Kenya Ltd"]).build();
    Address => string("At most 500 characters, on one line").max_length(Some(500)).examples(["Moi Avenue 12, Nairobi"]).build();
    TaxId => string("At most 64 characters").max_length(Some(64)).examples(["P051234567X"]).build();
    LongText => string("At most 1,000 characters").max_length(Some(1000)).build();
    Reference => string("At most 255 characters").max_length(Some(255)).examples(["CLIENT_TOPUP"]).build();
}

enum_schemas! {
    AuditAction: "What was done: the kind of object and the action";
    Role: "The role of a user or a key: a client, a reseller, an admin, or the SMS gateway itself";
    BusinessKind: "A reseller sells to the businesses below it; a client has none below it";
    BusinessStatus: "A suspended business, and all businesses below it, can only read, quote and top up";
    UserStatus: "A disabled user cannot log in";
    KeyMode: "A test key can read and quote, but changes nothing";
    PlanType: "How a plan is paid: PREPAID before sending, POSTPAID on the invoice";
    TransactionType: "The kind of transaction";
    TransactionStatus: "Only COMPLETED transactions count towards the balance";
    InvoiceStatus: "A DRAFT is recalculated until its month is closed";
    PaymentPurpose: "The purpose of a payment";
    PaymentStatus: "A PENDING payment waits for its provider; a FAILED one becomes COMPLETED if it is paid after all";
    SuspenseCause: "Why money matches no payment";
    SuspenseStatus: "An OPEN item waits for an admin to assign or dismiss it";
    InvoiceKind: "A credit note reduces an invoice";
    LineCategory: "The category of an invoice line";
    AlertType: "The kind of alert";
    AlertSeverity: "The severity of an alert";
    EventType: "The event that a webhook delivery reports";
    WebhookStatus: "DISABLED by its owner or by the receiver's answer 410; FAILED after 3 days of failed deliveries";
    MessageStatus: "PENDING while delivery is attempted, for at most 24 hours";
    DeliveryError: "Why an attempt to deliver a webhook failed";
    Period: "A period in the billing time zone";
    DeliveryStatus: "The delivery status of a message";
    MatchedBy: "How the destination was found: by the network or country given, or by the prefix of the number";
    RatingRule: "Where the price comes from: a rate card or the plan itself";
    Encoding: "The encoding that the text needs (3GPP TS 23.038)";
}

sid_schemas! {
    WalletSid: "wallet";
    TransactionSid: "txn";
    PlanSid: "plan";
    RateCardSid: "rate";
    InvoiceSid: "inv";
    AlertSid: "alert";
    UserSid: "user";
    KeySid: "key";
    WebhookSid: "wh";
    MessageEventSid: "msg";
    PaymentSid: "pay";
    SuspenseSid: "sus";
}

/// A decimal as callers may write it: a number, or a string that holds one.
#[derive(Debug)]
pub struct DecimalInput;

schemas! {
    DecimalInput => Schema::OneOf(OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Number).build())
        .item(ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$"))
            .build())
        .build());
}

/// The same, which may also be below zero.
#[derive(Debug)]
pub struct SignedDecimalInput;

schemas! {
    SignedDecimalInput => Schema::OneOf(OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Number).build())
        .item(ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$"))
            .build())
        .build());
}
