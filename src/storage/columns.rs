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

/// Declares how types are encoded as the type of a column, and decoded again.
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

/// Names of things: a number of 128 bits.
macro_rules! id_columns {
    ($($sid:ty),+ $(,)?) => {
        column_types! { $($sid as uuid::Uuid: |sid| sid.uuid(), |id| <$sid>::new(id));+ }
    };
}

/// Texts that keep a rule: a stored one that breaks it is not read.
macro_rules! text_columns {
    ($($text:ty),+ $(,)?) => {
        column_types! { $($text as String: |value| value.as_str().to_owned(), |text| text.parse()?);+ }
    };
}

column_types! {
    Money as i64: |money| money.micros(), |micros| Money::from_micros(micros);
    BasisPoints as i64: |share| share.get(), |basis_points| BasisPoints::new(basis_points);
    Timestamp as i64: |instant| instant.micros(), |micros| Timestamp::from_micros(micros);
    Currency as String: |currency| currency.code().to_owned(), |text| text.parse()?;
    EventSet as i64: |events| events.bits(), |bits| EventSet::from_bits(bits);
}

id_columns! {
    WalletSid, TransactionSid, PlanSid, RateCardSid, InvoiceSid, AlertSid, UserSid, KeySid, PaymentSid, SuspenseSid,
    WebhookSid, MessageEventSid,
}

text_columns! {
    BusinessSid, BusinessName, Address, TaxId, Reference, CountryCode, BusinessKind, BusinessStatus, PlanType,
    TransactionType, InvoiceKind, InvoiceStatus, ReminderKind, LineCategory, AlertType, AlertSeverity, Role, KeyMode,
    Email, UserStatus, EventType, LongText, WebhookStatus, MessageStatus, DeliveryError, JobKind, PartyRole,
    PaymentPurpose, PaymentStatus, ProviderName, ProviderReference, SuspenseCause, SuspenseStatus, AuditAction,
}
