//! Encodes the domain's types for database columns, and decodes them again.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Type};

use crate::domain::access::rights::{KeyMode, Role};
use crate::domain::access::users::UserStatus;
use crate::domain::audit::AuditAction;
use crate::domain::businesses::{BusinessKind, BusinessStatus};
use crate::domain::invoices::parties::PartyRole;
use crate::domain::invoices::reminders::ReminderKind;
use crate::domain::invoices::{InvoiceKind, InvoiceStatus, LineCategory};
use crate::domain::jobs::JobKind;
use crate::domain::notifications::alerts::{AlertSeverity, AlertType};
use crate::domain::notifications::events::{EventSet, EventType};
use crate::domain::notifications::webhook_messages::{DeliveryError, MessageStatus};
use crate::domain::notifications::webhooks::WebhookStatus;
use crate::domain::payments::providers::{ProviderName, ProviderReference};
use crate::domain::payments::suspense::{SuspenseCause, SuspenseStatus};
use crate::domain::payments::{PaymentPurpose, PaymentStatus};
use crate::domain::prices::plans::PlanType;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::{
    AlertSid, BusinessSid, InvoiceSid, KeySid, MessageEventSid, PaymentSid, PlanSid, RateCardSid, SuspenseSid,
    TransactionSid, UserSid, WalletSid, WebhookSid,
};
use crate::domain::values::text::{Address, BusinessName, Email, LongText, Reference, TaxId};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::TransactionType;

/// A type that a column holds as another one: how it goes in, and how it comes out.
macro_rules! column_types {
    ($($type:ty as $column:ty: |$value:ident| $into:expr, |$stored:ident| $from:expr);+ $(;)?) => {$(
        impl<DB: Database> Type<DB> for $type where $column: Type<DB> {
            fn type_info() -> DB::TypeInfo {
                <$column as Type<DB>>::type_info()
            }

            fn compatible(ty: &DB::TypeInfo) -> bool {
                <$column as Type<DB>>::compatible(ty)
            }
        }

        impl<'q, DB: Database> Encode<'q, DB> for $type where $column: Encode<'q, DB> {
            fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                let $value = self;
                <$column as Encode<'q, DB>>::encode($into, buffer)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $type where $column: Decode<'r, DB> {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                let $stored = <$column as Decode<'r, DB>>::decode(value)?;
                Ok($from)
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let read = |$stored: $column| -> Result<Self, BoxDynError> { Ok($from) };
                read(<$column as FromSql>::column_result(value)?).map_err(FromSqlError::Other)
            }
        }
    )+};
}

column_types! {
    Money as i64: |money| money.micros(), |micros| Money::from_micros(micros);
    BasisPoints as i64: |share| share.get(), |basis_points| BasisPoints::new(basis_points);
    Timestamp as i64: |instant| instant.micros(), |micros| Timestamp::from_micros(micros);
    WalletSid as uuid::Uuid: |sid| sid.uuid(), |id| WalletSid::new(id);
    TransactionSid as uuid::Uuid: |sid| sid.uuid(), |id| TransactionSid::new(id);
    PlanSid as uuid::Uuid: |sid| sid.uuid(), |id| PlanSid::new(id);
    RateCardSid as uuid::Uuid: |sid| sid.uuid(), |id| RateCardSid::new(id);
    InvoiceSid as uuid::Uuid: |sid| sid.uuid(), |id| InvoiceSid::new(id);
    AlertSid as uuid::Uuid: |sid| sid.uuid(), |id| AlertSid::new(id);
    UserSid as uuid::Uuid: |sid| sid.uuid(), |id| UserSid::new(id);
    KeySid as uuid::Uuid: |sid| sid.uuid(), |id| KeySid::new(id);
    PaymentSid as uuid::Uuid: |sid| sid.uuid(), |id| PaymentSid::new(id);
    SuspenseSid as uuid::Uuid: |sid| sid.uuid(), |id| SuspenseSid::new(id);
    WebhookSid as uuid::Uuid: |sid| sid.uuid(), |id| WebhookSid::new(id);
    MessageEventSid as uuid::Uuid: |sid| sid.uuid(), |id| MessageEventSid::new(id);
    BusinessSid as String: |sid| sid.as_str().to_owned(), |text| text.parse()?;
    BusinessName as String: |name| name.as_str().to_owned(), |text| text.parse()?;
    Address as String: |address| address.as_str().to_owned(), |text| text.parse()?;
    TaxId as String: |tax_id| tax_id.as_str().to_owned(), |text| text.parse()?;
    Reference as String: |reference| reference.as_str().to_owned(), |text| text.parse()?;
    Currency as String: |currency| currency.code().to_owned(), |text| text.parse()?;
    CountryCode as String: |country| country.as_str().to_owned(), |text| text.parse()?;
    BusinessKind as String: |kind| kind.as_str().to_owned(), |text| text.parse()?;
    BusinessStatus as String: |status| status.as_str().to_owned(), |text| text.parse()?;
    PlanType as String: |plan_type| plan_type.as_str().to_owned(), |text| text.parse()?;
    TransactionType as String: |transaction_type| transaction_type.as_str().to_owned(), |text| text.parse()?;
    InvoiceKind as String: |kind| kind.as_str().to_owned(), |text| text.parse()?;
    InvoiceStatus as String: |status| status.as_str().to_owned(), |text| text.parse()?;
    ReminderKind as String: |kind| kind.as_str().to_owned(), |text| text.parse()?;
    LineCategory as String: |category| category.as_str().to_owned(), |text| text.parse()?;
    AlertType as String: |alert_type| alert_type.as_str().to_owned(), |text| text.parse()?;
    AlertSeverity as String: |severity| severity.as_str().to_owned(), |text| text.parse()?;
    Role as String: |role| role.as_str().to_owned(), |text| text.parse()?;
    KeyMode as String: |mode| mode.as_str().to_owned(), |text| text.parse()?;
    Email as String: |email| email.as_str().to_owned(), |text| text.parse()?;
    UserStatus as String: |status| status.as_str().to_owned(), |text| text.parse()?;
    EventType as String: |event| event.as_str().to_owned(), |text| text.parse()?;
    EventSet as i64: |events| events.bits(), |bits| EventSet::from_bits(bits);
    LongText as String: |text| text.as_str().to_owned(), |text| text.parse()?;
    WebhookStatus as String: |status| status.as_str().to_owned(), |text| text.parse()?;
    MessageStatus as String: |status| status.as_str().to_owned(), |text| text.parse()?;
    DeliveryError as String: |error| error.as_str().to_owned(), |text| text.parse()?;
    JobKind as String: |kind| kind.as_str().to_owned(), |text| text.parse()?;
    PartyRole as String: |role| role.as_str().to_owned(), |text| text.parse()?;
    PaymentPurpose as String: |purpose| purpose.as_str().to_owned(), |text| text.parse()?;
    PaymentStatus as String: |status| status.as_str().to_owned(), |text| text.parse()?;
    ProviderName as String: |name| name.as_str().to_owned(), |text| text.parse()?;
    ProviderReference as String: |reference| reference.as_str().to_owned(), |text| text.parse()?;
    SuspenseCause as String: |cause| cause.as_str().to_owned(), |text| text.parse()?;
    SuspenseStatus as String: |status| status.as_str().to_owned(), |text| text.parse()?;
    AuditAction as String: |action| action.as_str().to_owned(), |text| text.parse()?;
}
