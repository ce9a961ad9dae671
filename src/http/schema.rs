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
            $type => string("An id that never changes.")
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
    Money => number("An exact amount or price in units of the currency, with at most six decimals; a plain number.")
        .examples([serde_json::json!(12.5)])
        .build();
    BasisPoints => number("Percent: 10 is 10 %.").examples([serde_json::json!(10)]).build();
    Timestamp => string("An instant in UTC (RFC 3339).")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-03-01T09:30:00.000000Z"])
        .build();
    BusinessSid => string("The name of a business; neither `undefined` nor `null`.")
        .pattern(Some("^[A-Za-z0-9_.-]{1,64}$"))
        .examples(["biz_test_001"])
        .build();
    Currency => string("ISO 4217").pattern(Some("^[A-Z]{3}$")).examples(["USD"]).build();
    CountryCode => string("ISO 3166-1 alpha-2").pattern(Some("^[A-Z]{2}$")).examples(["KE"]).build();
    MessageSid => string("The gateway's name of a message, unique within its business.")
        .pattern(Some("^[A-Za-z0-9_.:-]{1,128}$"))
        .examples(["0195a1b2-c3d4-7e5f-8091-a2b3c4d5e6f7"])
        .build();
    PhoneNumber => string("A number in international form.").examples(["+254712345678"]).build();
    OperatorName => string("At most 64 characters").min_length(Some(1)).max_length(Some(64)).examples(["Safaricom"]).build();
    Reason => string("At most 255 characters").min_length(Some(1)).max_length(Some(255)).build();
    ErrorCode => string("At most 64 characters").min_length(Some(1)).max_length(Some(64)).build();
    ProviderName => string("A payment provider of this server's settings")
        .pattern(Some("^[a-z0-9_-]{1,32}$"))
        .examples(["mpesa"])
        .build();
    ProviderReference => string("The provider's own name of a payment").min_length(Some(1)).max_length(Some(128)).examples(["SGR7X1KQ2P"]).build();
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
    AuditAction: "What was done, by the kind of thing and the deed";
    Role: "What a user or a key is: a client, a reseller, an admin, or the SMS gateway itself";
    BusinessKind: "A reseller sells to the businesses below it; a client has none";
    BusinessStatus: "A suspended business, and all below it, neither sends nor changes anything";
    UserStatus: "A disabled user cannot log in";
    KeyMode: "A test key reads and quotes, and changes nothing";
    PlanType: "How a plan is paid: before sending, or on the invoice";
    TransactionType: "What moved the money";
    TransactionStatus: "Only COMPLETED ones are in the balance";
    InvoiceStatus: "A DRAFT is recomputed until its month is closed";
    PaymentPurpose: "What a payment is for";
    PaymentStatus: "A PENDING payment waits for its provider; a FAILED one whose money comes after all is COMPLETED then";
    SuspenseCause: "Why money fits no payment";
    SuspenseStatus: "Money that is OPEN waits for an admin";
    InvoiceKind: "A credit note takes off what an invoice asked too much";
    LineCategory: "What a line is for";
    AlertType: "What the alert is about";
    AlertSeverity: "How urgent the alert is";
    EventType: "What a message to a webhook tells of";
    WebhookStatus: "DISABLED by its owner, or by its receiver's answer 410; FAILED where nothing came through for 3 days";
    MessageStatus: "PENDING until it came through, or for 24 hours";
    DeliveryError: "Why a message did not come through";
    Period: "A period in the billing time zone";
    DeliveryStatus: "What became of a message";
    MatchedBy: "What told the destination: the network or the country given, or a prefix of the number";
    RatingRule: "Which row gave the price";
    Encoding: "The alphabet the text needs (3GPP TS 23.038)";
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
