//! Tests how settings are read and checked.

use clap::Parser;
use rstest::rstest;

use super::values::Origin;
use super::{Cli, Settings};

fn settings(args: &[&str]) -> Settings {
    let args = std::iter::once("wecall-billing").chain(args.iter().copied());
    Cli::try_parse_from(args).expect("valid settings").settings
}

#[rstest]
#[case(&["--bind", "127.0.0.1:9000"], "127.0.0.1:9000")]
#[case(&["--bind", "127.0.0.1"], "127.0.0.1:8000")]
#[case(&["--bind", "127.0.0.1", "--port", "9000"], "127.0.0.1:9000")]
#[case(&["--bind", "127.0.0.1:9000", "--port", "9001"], "127.0.0.1:9000")]
#[case(&["--port", "9000"], "0.0.0.0:9000")]
#[case(&["--bind", "localhost:9000"], "127.0.0.1:9000")]
#[case(&["--bind", "[::1]:9000"], "[::1]:9000")]
#[case(&["--bind", "::1"], "[::1]:8000")]
fn addresses(#[case] args: &[&str], #[case] address: &str) {
    assert_eq!(settings(args).address().to_string(), address);
}

#[rstest]
#[case(&["--bind", "127.0.0.1"], true)]
#[case(&["--bind", "[::1]:8000"], true)]
#[case(&["--bind", "0.0.0.0"], false)]
#[case(&["--port", "8000"], false)]
#[case(&["--port", "8000", "--auth", "required", "--secret-key", "0123456789abcdef0123456789abcdef"], true)]
#[case(&["--port", "8000", "--auth-open-anywhere"], true)]
#[case(&["--port", "8000", "--auth-open-anywhere=true"], true)]
#[case(&["--port", "8000", "--auth-open-anywhere=no"], false)]
fn open_mode_is_for_this_machine(#[case] args: &[&str], #[case] valid: bool) {
    let verdict = settings(args).validate();
    assert_eq!(verdict.is_ok(), valid);
    if let Err(sentence) = verdict {
        assert!(sentence.contains("AUTH=required") && sentence.contains("AUTH_OPEN_ANYWHERE=true"));
    }
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[rstest]
#[case(&[], None)]
#[case(&["--auth", "required", "--secret-key", KEY], None)]
#[case(&["--payment-providers", "simulated"], None)]
#[case(&["--payment-providers", "simulated", "--auth", "required", "--secret-key", KEY], Some("PAYMENTS_SIMULATED=allow"))]
#[case(
    &["--payment-providers", "simulated", "--auth", "required", "--secret-key", KEY, "--payments-simulated", "allow"],
    None
)]
#[case(&["--payment-providers", "a=https://a.example"], Some("PAYMENT_SECRETS has none for a"))]
#[case(&["--payment-providers", "a=https://a.example", "--payment-secrets", "a=0123456789abcdef01234567"], None)]
#[case(&["--payment-secrets", "a=0123456789abcdef01234567"], Some("PAYMENT_PROVIDERS does not name"))]
#[case(&["--payment-providers", "simulated,simulated"], Some("twice"))]
#[case(&["--payment-default-provider", "a"], Some("PAYMENT_DEFAULT_PROVIDER is a"))]
#[case(&["--payment-default-provider", "simulated"], None)]
fn payment_providers(#[case] args: &[&str], #[case] problem: Option<&str>) {
    let verdict = settings(args).validate();
    match problem {
        None => assert_eq!(verdict, Ok(())),
        Some(part) => assert!(verdict.as_ref().is_err_and(|sentence| sentence.contains(part)), "{verdict:?}"),
    }
}

#[rstest]
#[case("http://localhost:3000", true)]
#[case("https://app.example.com", true)]
#[case("https://app.example.com/", true)]
#[case("https://app.example.com/path", false)]
#[case("app.example.com", false)]
#[case("*", false)]
#[case("null", false)]
fn origins(#[case] text: &str, #[case] valid: bool) {
    assert_eq!(text.parse::<Origin>().is_ok(), valid);
}
