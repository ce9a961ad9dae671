//! Parses batches of items, and answers item by item: each passes or fails by itself.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::extract::{from_json, json};
use crate::error::Error;
use crate::http::edge::answer::error::Problem;

/// How many items a batch may hold.
const BATCH_MAX: usize = 1_000;

/// Answers `{"results": […]}`, one result after the other: a large batch then takes little more memory than its answer.
#[derive(Debug)]
pub struct Results<I>(pub I);

/// What a result takes at least, nearly, so that the answer seldom has to move while it grows.
const RESULT_BYTES: usize = 400;

impl<T: Serialize, I: Iterator<Item = T>> IntoResponse for Results<I> {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(self.0.size_hint().0 * RESULT_BYTES);
        body.extend_from_slice(br#"{"results":["#);
        for (position, result) in self.0.enumerate() {
            if position > 0 {
                body.push(b',');
            }
            if let Err(error) = serde_json::to_writer(&mut body, &result) {
                return Problem::internal(format!("a result that is no JSON: {error}")).into_response();
            }
        }
        body.extend_from_slice(b"]}");
        json(body)
    }
}

/// What is wrong with one item of a batch, as a body of its own would say.
#[derive(Debug)]
pub struct ItemProblem {
    problem: Problem,
    request_id: Option<Arc<str>>,
}

impl ItemProblem {
    /// A fault of the server is logged here, because the answer as a whole is none.
    pub fn new(problem: Problem, request_id: Option<Arc<str>>) -> ItemProblem {
        if let Some(cause) = problem.cause.as_deref() {
            let status = problem.status.as_u16();
            tracing::error!(request_id = request_id.as_deref(), status, code = problem.code, cause, "an item failed");
        }
        ItemProblem { problem, request_id }
    }
}

impl Serialize for ItemProblem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.problem.body(self.request_id.as_deref().unwrap_or_default()).serialize(serializer)
    }
}

/// The items of a batch: those that can be asked of the service, and what is wrong with the others.
#[derive(Debug)]
pub struct Items<R> {
    pub valid: Vec<R>,
    pub problems: ItemProblems,
}

/// Per item, in order: what is wrong with it, if anything.
#[derive(Debug)]
pub struct ItemProblems(Vec<Option<Problem>>);

impl<R> Items<R> {
    /// # Errors
    /// 400 where there are none or too many.
    pub fn parse<T: DeserializeOwned>(
        field: &'static str,
        items: Vec<Box<RawValue>>,
        into_request: impl Fn(T) -> Result<R, Problem>,
    ) -> Result<Items<R>, Problem> {
        if items.is_empty() || items.len() > BATCH_MAX {
            return Err(Problem::invalid(field, format!("must hold 1 to {BATCH_MAX} items")));
        }
        let mut valid = Vec::with_capacity(items.len());
        let mut problems = Vec::with_capacity(items.len());
        for item in items {
            let request = from_json::<T>(item.get().as_bytes()).and_then(&into_request);
            problems.push(match request {
                Ok(request) => {
                    valid.push(request);
                    None
                }
                Err(problem) => Some(problem),
            });
        }
        Ok(Items { valid, problems: ItemProblems(problems) })
    }
}

impl ItemProblems {
    /// Every item's outcome in order: its problem, or the next of the service's answers.
    pub fn place<T>(self, answers: Vec<Result<T, Error>>) -> impl Iterator<Item = Result<T, Problem>> {
        let mut answers = answers.into_iter();
        self.0.into_iter().map(move |problem| match problem {
            Some(problem) => Err(problem),
            None => match answers.next() {
                Some(answer) => answer.map_err(Problem::from),
                None => Err(Problem::internal("an item without an answer")),
            },
        })
    }
}
