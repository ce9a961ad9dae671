//! Serves HTTP: the route table, and handlers that turn requests into calls to services.

pub mod admin;
pub mod api;
pub mod bodies;
pub mod edge;
pub mod openapi;
pub mod routes;
pub mod schema;
pub mod state;
