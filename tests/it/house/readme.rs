//! Runs the README's commands as a reader would.

use std::process::Command;

use crate::support::process::{ServerProcess, run, text};

fn readme() -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The commands between the markers: what stands in blocks of `sh`, a command over several lines joined.
fn curl_commands(readme: &str) -> Vec<String> {
    let marked =
        readme.split("<!-- curl:start -->").nth(1).and_then(|rest| rest.split("<!-- curl:end -->").next()).unwrap();
    let blocks = marked.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined = blocks.map(|block| block.replace("\\\n", " ")).collect::<Vec<_>>().join("\n");
    let mut commands: Vec<String> = Vec::new();
    for line in joined.lines().map(str::trim) {
        match commands.last_mut() {
            // A quoted text goes on until its other quote.
            Some(open) if open.matches('\'').count() % 2 == 1 => {
                open.push(' ');
                open.push_str(line);
            }
            _ if line.starts_with("curl") => commands.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

#[test]
fn its_curl_commands_work() {
    let home = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(home.path(), &[]);
    // The README makes a key where it first needs one.
    let made = run(home.path(), &["keys", "create", "--role", "admin", "--name", "me"]);
    let admin_key = text(&made.stdout);
    let commands = curl_commands(&readme());
    let mut endpoints: Vec<&str> = Vec::new();
    for command in &commands {
        assert!(command.contains("--fail"), "{command} would hide a failure");
        let here = command.replace("http://localhost:8000", &server.base_url);
        let output = Command::new("sh").args(["-c", &here]).env("ADMIN_KEY", admin_key.trim()).output().unwrap();
        assert!(output.status.success(), "{command}: {} {}", text(&output.stdout), text(&output.stderr));
        endpoints.extend(
            command.split("/api/billing/").nth(1).and_then(|rest| rest.split(['/', '?', '"', '\'', ' ']).next()),
        );
    }
    endpoints.sort_unstable();
    endpoints.dedup();
    let all = [
        "alerts",
        "charges",
        "deliveries",
        "invoices",
        "keys",
        "payments",
        "pricing-plans",
        "quotes",
        "rate-cards",
        "topup",
        "transactions",
        "usage",
        "wallet",
        "webhooks",
    ];
    assert_eq!(endpoints, all, "each is shown");
}

/// The first two commands are the ones that matter.
#[test]
fn it_opens_with_two_commands() {
    let readme = readme();
    let opening: String = readme.lines().take(25).collect::<Vec<_>>().join("\n");
    assert!(opening.contains("cargo run -- serve --seed") && opening.contains("cargo test"), "{opening}");
}

/// The message that the guide for adapters shows is one that the server takes, and its signature the right one.
#[test]
fn its_signature_is_right() {
    use wecall_billing::domain::payments::signatures::{SignedMessage, SigningSecret};
    let readme = readme();
    let shown = readme.split("POST /api/billing/payments/mpesa/confirmations/ HTTP/1.1").nth(1).unwrap();
    let (head, body) = shown.split("```").next().unwrap().split_once("\n\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim_start_matches(": ");
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let secret: SigningSecret = crate::support::MPESA_SECRET.parse().unwrap();
    assert!(readme.contains(crate::support::MPESA_SECRET));
    let signature = secret.sign(SignedMessage { id, timestamp, body: body.trim_end().as_bytes() });
    assert_eq!(header("webhook-signature"), signature);
}
