//! `windrow audit`: whether the accounts balance.

use clap::Subcommand;

use crate::{
    cli::Format,
    client::Client,
    failure::Failure,
    output::{self, text},
};

/// What to audit.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// accepted = completed + dead + cancelled + live, for every tenant; fails where it is not so
    Ledger {
        /// One JSON object, as `--output json`
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub async fn run(audit: Audit, client: &Client, format: Format) -> Result<(), Failure> {
    let Audit::Ledger { json } = audit;
    let reply = client.get("/v1/audit/ledger", &[]).await?;
    let accounts = reply.json();
    let format = if json { Format::Json } else { format };
    output::answer(format, &reply.body, || {
        let columns = ["tenant", "accepted", "completed", "dead", "cancelled", "live", "pruned"];
        let tenants = accounts["tenants"].as_array().into_iter().flatten();
        let rows: Vec<_> = tenants.map(|tenant| columns.map(|column| text(&tenant[column])).to_vec()).collect();
        output::table(&["TENANT", "ACCEPTED", "COMPLETED", "DEAD", "CANCELLED", "LIVE", "PRUNED"], &rows)
    });
    if accounts["balanced"] == true { Ok(()) } else { Err(Failure::Job("the accounts do not balance".into())) }
}
