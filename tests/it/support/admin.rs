//! Sends an admin's requests, and returns the whole answer.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::Server;

impl Server {
    /// An admin who sends [`Server::admin_key`] with every request.
    pub async fn admin(&self) -> Admin<'_> {
        Admin { server: self, key: self.admin_key().await }
    }
}

pub struct Admin<'s> {
    server: &'s Server,
    key: &'s str,
}

/// An answer: status, headers and body.
#[derive(Debug)]
pub struct AdminAnswer {
    pub status: StatusCode,
    pub etag: Option<String>,
    /// The address of the next page.
    pub next: Option<String>,
    pub body: Value,
}

impl AdminAnswer {
    async fn of(response: Response) -> AdminAnswer {
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, etag) = (response.status(), header("etag"));
        let next = header("link").map(|link| {
            link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\"")).unwrap().to_owned()
        });
        let body = serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null);
        AdminAnswer { status, etag, next, body }
    }

    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }

    pub fn sid(&self) -> &str {
        self.body["sid"].as_str().unwrap_or_else(|| panic!("{self:?} has no sid"))
    }
}

impl Admin<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.request(method, path).bearer_auth(self.key)
    }

    pub async fn send(&self, request: RequestBuilder) -> AdminAnswer {
        AdminAnswer::of(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> AdminAnswer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> AdminAnswer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    pub async fn patch(&self, path: &str, etag: &str, body: &Value) -> AdminAnswer {
        let request = self.request(Method::PATCH, path).header("content-type", "application/json");
        self.send(request.header("if-match", etag).body(body.to_string())).await
    }

    pub async fn delete(&self, path: &str, etag: &str) -> AdminAnswer {
        self.send(self.request(Method::DELETE, path).header("if-match", etag)).await
    }

    /// The text of the answer to a GET.
    pub async fn text(&self, path: &str) -> String {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    /// Imports a CSV.
    pub async fn import(&self, path: &str, sheet: &str) -> AdminAnswer {
        let request = self.request(Method::POST, path).header("content-type", "text/csv; charset=utf-8");
        self.send(request.body(sheet.to_owned())).await
    }

    /// All rows of a list, page by page.
    pub async fn walk(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(&path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {page:?}");
            rows.extend(page.body.as_array().unwrap().clone());
            next = page.next;
        }
        rows
    }
}
