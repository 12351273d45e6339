//! `windrow status`: how everything is, as the api tells it.

use serde_json::Value;

use crate::{
    cli::Format,
    client::Client,
    failure::Failure,
    output::{self, text},
};

/// Shows the components, the rung of the degradation ladder, and how far behind the duties are.
pub async fn run(client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get("/status", &[]).await?;
    output::answer(format, &reply.body, || lines(&reply.json()));
    Ok(())
}

fn lines(status: &Value) -> Vec<String> {
    let components = &status["components"];
    let mut lines = vec![
        format!("status    {}", text(&status["status"])),
        format!("rung      {}: {}", text(&status["rung"]), text(&status["means"])),
        format!("ledger    {}", text(&components["ledger"]["status"])),
        format!("planner   {} {}", text(&components["planner"]["status"]), text(&components["planner"]["leader"])),
        format!("carrier   {} {}", text(&components["carrier"]["status"]), text(&components["carrier"]["in_use"])),
        format!("schedules {} {} s overdue", text(&components["schedules"]["status"]), text(&components["schedules"]["overdue_s"])),
    ];
    let duties = status["duties"].as_array().into_iter().flatten();
    lines.extend(duties.map(|duty| format!("{:<9} {} s behind", text(&duty["name"]), text(&duty["lag_s"]))));
    lines
}
