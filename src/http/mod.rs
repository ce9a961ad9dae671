//! HTTP: the route table, and how requests become calls to services.

pub mod admin;
pub mod api;
pub mod edge;
pub mod openapi;
pub mod routes;
pub mod schema;
pub mod state;
