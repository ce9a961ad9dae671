use super::*;
use crate::documents::{Logo, Party, Tax, fixtures, html};
use crate::domain::invoices::*;
use crate::domain::money::*;

fn examples() -> Vec<(&'static str, InvoiceDocument)> {
    let plain = fixtures::invoice();
    let acme = Party { name: "Acme Deliveries Ltd".into(), address: "Moi Avenue 4, Nairobi".into(), country: "KE".parse().ok(), tax_id: "P009988776A".into(), email: "accounts@acme.example".into() };
    let plain = InvoiceDocument { buyer: acme, ..plain };
    let l = fixtures::line;
    let some = vec![l("SMS to Kenya, Safaricom", 61_725, 20_000, 1_234_500_000), l("SMS to Kenya, Airtel", 1_210, 18_000, 21_780_000),
        l("SMS to United Kingdom, other operators", 14, 35_150, 490_000), l("Support, March", 1, 50_000_000, 50_000_000)];
    let total = Money::sum(some.iter().map(|l| l.total)).unwrap();
    let short = InvoiceDocument { lines: some, total, ..plain.clone() };
    let tax = |amount, is_included| Some(Tax { rate: BasisPoints::from_percent(16), amount: Money::from_micros(amount), is_included });
    let long = fixtures::long(200);
    let nat = InvoiceDocument {
        seller: Some(Party { name: "ኢትዮ ቢሊንግ አገልግሎት".into(), address: "ቦሌ መንገድ 22፣ አዲስ አበባ".into(), country: "ET".parse().ok(), tax_id: "0012345".into(), email: "hisab@billing.et".into() }),
        buyer: Party { name: "Ταχυδρομική Ελλάς Α.Ε. / ООО «Быстрая почта»".into(), address: "Οδός Ερμού 15, Αθήνα 105 63; ул. Тверская, д. 7, Москва".into(), country: "GR".parse().ok(), tax_id: "EL123456789".into(), email: "".into() },
        lines: vec![l("SMS to Ethiopia, ኢትዮ ቴሌኮም", 4200, 31_000, 130_200_000), l("SMS to Russia, МегаФон и Вымпел-Коммуникации", 300, 48_000, 14_400_000), l("SMS to Greece, Όμιλος Τηλεπικοινωνιών", 77, 52_000, 4_000_000), l("SMS to Japan, 東京 テレコム", 2, 52_000, 100_000)],
        total: Money::from_micros(148_700_000), ..plain.clone() };
    let wide = "Telecommunications Company of the Very Long Name for Mobile Networks and Satellites".to_owned();
    let longop = InvoiceDocument { lines: (0..6).map(|i| l(&format!("SMS to Saint Vincent and the Grenadines, {wide}{}", "x".repeat(i*25)), 9_999_999_999, 123_456, 1_234_559_999_876_540_000)).collect(), total: Money::from_micros(7_407_359_999_259_240_000),
        buyer: Party { name: "The Consolidated Intercontinental Messaging, Marketing and Notifications Corporation of East Africa (Holdings) Limited".into(), address: "Suite 1402, Fourteenth Floor, The Exchange Building, 55 Westlands Road, off Waiyaki Way, P.O. Box 12345-00800, Westlands, Nairobi County, opposite the old post office, second entrance after the petrol station, please ring twice".into(), ..Default::default() }, ..plain.clone() };
    let ugx = InvoiceDocument { currency: "UGX".parse().unwrap(), lines: vec![l("SMS to Uganda, MTN", 120_345, 35_500_000, 4_272_248_000_000), l("SMS to Uganda, Airtel", 45_000, 33_000_000, 1_485_000_000_000)], total: Money::from_micros(5_757_248_000_000), status: InvoiceStatus::Overdue, ..plain.clone() };
    let credit = InvoiceDocument { buyer: plain.buyer.clone(), ..fixtures::credit_note() };
    let logo_png = std::fs::read("/tmp/docs-lab/logo.png").unwrap();
    vec![
        ("short", short.clone()), ("long", long), ("names", nat), ("longop", longop), ("ugx", ugx), ("credit", credit),
        ("tax-incl", InvoiceDocument { tax: tax(180_244_000, true), paid: Some(total), due: Some(Money::ZERO), status: InvoiceStatus::Paid, paid_on: plain.issued_on, ..short.clone() }),
        ("tax-add", InvoiceDocument { tax: tax(209_083_000, false), paid: Some(Money::from_units(500)), due: Some(Money::from_micros(1_015_853_000)), logo: Some(Logo::new(logo_png).unwrap()), ..short.clone() }),
        ("bare", InvoiceDocument { seller: None, number: None, status: InvoiceStatus::Draft, due_on: None, issued_on: None, lines: vec![], total: Money::ZERO, ..plain.clone() }),
        ("draft", InvoiceDocument { number: None, status: InvoiceStatus::Draft, due_on: None, issued_on: None, ..short.clone() }),
        ("cancelled", InvoiceDocument { status: InvoiceStatus::Cancelled, ..short.clone() }),
    ]
}

#[test]
fn examples_out() {
    for (name, document) in examples() {
        std::fs::write(format!("/tmp/docs-lab/out/{name}.pdf"), pdf(&document).map_err(|e| e.to_string()).expect(name)).unwrap();
        std::fs::write(format!("/tmp/docs-lab/out/{name}.html"), html::html(&document)).unwrap();
    }
    for n in [1, 20, 200, 1000] {
        let document = fixtures::long(n);
        let started = std::time::Instant::now();
        let bytes = pdf(&document).unwrap();
        eprintln!("{n}: {:?} {} bytes", started.elapsed(), bytes.len());
    }
}
