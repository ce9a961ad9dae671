//! Parses the command line, calls the library, and prints errors.

use std::process::ExitCode;

use wecall_billing::{commands, config};

/// glibc's allocator keeps memory that many threads freed; this one gives it back and is faster under load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Reads `.env` into the environment, which is safe only while there is one thread.
    let cli = match config::sources::parse() {
        Ok(cli) => cli,
        Err(sentence) => return fail(&sentence),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => fail(&sentence),
    }
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("error: {sentence}");
    ExitCode::FAILURE
}
