// examples/receivers/rust/src/main.rs
use http::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::Webhook;
use tiny_http::{Request, Response, Server};

fn main() {
    let secret = std::env::var("WEBHOOK_SECRET").expect("WEBHOOK_SECRET is not set");
    let webhook = Webhook::new(&secret).expect("WEBHOOK_SECRET is not valid");
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".into());
    let server = Server::http(format!("127.0.0.1:{port}")).expect("the port is taken");
    for mut request in server.incoming_requests() {
        let status = if take(&webhook, &mut request).is_some() { 204 } else { 400 };
        let _ = request.respond(Response::empty(status));
    }
}

/// None unless the request is signed with the secret.
fn take(webhook: &Webhook, request: &mut Request) -> Option<()> {
    let headers: HeaderMap = request
        .headers()
        .iter()
        .filter_map(|header| {
            let name = HeaderName::from_bytes(header.field.as_str().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(header.value.as_str()).ok()?))
        })
        .collect();
    let mut body = Vec::new(); // the exact bytes: verify before anything parses them
    request.as_reader().read_to_end(&mut body).ok()?;
    webhook.verify(&body, &headers).ok()?;
    let event: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let id = headers.get("webhook-id")?.to_str().ok()?;
    // Not every operational event is about a job.
    let job_id = event["data"]["job_id"].as_str().unwrap_or_default();
    println!("{id} {} {job_id}", event["type"].as_str()?);
    Some(())
}
