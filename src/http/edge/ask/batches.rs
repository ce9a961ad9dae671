//! Parses batches of items, and answers item by item: each passes or fails by itself.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::extract::{from_json, json};
use crate::error::Error;
use crate::http::edge::answer::error::Problem;

/// The most items of a batch.
const BATCH_MAX: usize = 1_000;

/// The answer `{"results": […]}`, written one result after the other: a large batch then takes little more memory than
/// its answer.
#[derive(Debug)]
pub struct Results<I>(pub I);

/// Nearly the least size of a result, so that the answer seldom has to move while it grows.
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

/// The problem of one item of a batch, as in an answer of its own.
#[derive(Debug)]
pub struct ItemProblem {
    problem: Problem,
    request_id: Option<Arc<str>>,
}

impl ItemProblem {
    /// Logs a fault of the server here, because the answer as a whole is a success.
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

/// The items of a batch: the valid ones, and the problems of the others.
#[derive(Debug)]
pub struct Items<R> {
    pub valid: Vec<R>,
    pub problems: ItemProblems,
}

/// The problem of each item, in order, if it has one.
#[derive(Debug)]
pub struct ItemProblems(Vec<Option<Problem>>);

impl<R> Items<R> {
    /// Parses a batch.
    ///
    /// # Errors
    /// 400 where there are no items or too many.
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
    /// The results of all items, in order: an item's problem, or else the next of the service's answers.
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
