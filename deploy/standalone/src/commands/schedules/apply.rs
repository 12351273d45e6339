//! `windrow schedules apply`: makes a tenant's schedules be what a file says, by their names.
//!
//! Everything is read and compared first, then checked by the server, and only then written: a file with one bad entry
//! changes nothing. A second apply finds nothing to do.

use serde_json::{Value, json};

use super::{declared, declared::Entry, path};
use crate::{
    cli::Format,
    client::{Client, Reply},
    commands::submit,
    failure::Failure,
    output,
};

/// Which file, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file, TOML with a [[schedules]] for each; - for stdin
    file: String,
    /// Check and show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also delete the tenant's schedules that the file does not name
    #[arg(long)]
    prune: bool,
}

/// What is to be done about a schedule.
#[derive(Debug)]
enum Step {
    Create(Entry),
    Change { entry: Entry, seen: String, changes: Vec<Change> },
    Delete(String),
}

/// A field that is to change.
#[derive(Debug, Clone)]
struct Change {
    field: String,
    from: Value,
    to: Value,
}

/// What is to be done in all.
struct Plan {
    steps: Vec<Step>,
    unchanged: Vec<String>,
}

/// Puts the file in force.
pub async fn run(args: &Args, client: &Client, format: Format) -> Result<(), Failure> {
    let text = submit::read("schedules apply", &args.file)?;
    let file = if args.file == "-" { "stdin" } else { &args.file };
    let entries = declared::read(file, &text).map_err(|wrong| Failure::Usage(wrong.join("\n")))?;
    let plan = plan(entries, args.prune, client).await?;
    check(&plan, client).await?;
    if format == Format::Text {
        plan.steps.iter().flat_map(Step::lines).for_each(|line| output::line(&line));
    }
    if !args.dry_run {
        write(&plan, client).await?;
    }
    output::answer(format, &plan.json(args.dry_run).to_string(), || vec![plan.summary(args.dry_run)]);
    Ok(())
}

async fn plan(entries: Vec<Entry>, prune: bool, client: &Client) -> Result<Plan, Failure> {
    let mut plan = Plan { steps: Vec::new(), unchanged: Vec::new() };
    let declared: Vec<String> = entries.iter().map(|entry| entry.definition.name.clone()).collect();
    for entry in entries {
        match client.get(&path(&entry.definition.name, ""), &[]).await {
            Ok(reply) => plan.compare(entry, &reply)?,
            Err(Failure::Refused(problem)) if problem.code() == "schedule_not_found" => plan.steps.push(Step::Create(entry)),
            Err(failure) => return Err(failure),
        }
    }
    if prune {
        let others = names(client).await?.into_iter().filter(|name| !declared.contains(name));
        plan.steps.extend(others.map(Step::Delete));
    }
    Ok(plan)
}

/// The names of all of the tenant's schedules.
async fn names(client: &Client) -> Result<Vec<String>, Failure> {
    let (mut names, mut token) = (Vec::new(), None);
    loop {
        let query: Vec<_> = token.into_iter().map(|token| ("page_token", token)).collect();
        let page = client.get("/v1/schedules", &query).await?.json();
        names.extend(page["schedules"].as_array().into_iter().flatten().map(|schedule| output::text(&schedule["name"])));
        token = page["next_page_token"].as_str().map(ToOwned::to_owned);
        if token.is_none() {
            return Ok(names);
        }
    }
}

impl Plan {
    fn compare(&mut self, entry: Entry, standing: &Reply) -> Result<(), Failure> {
        let changes = changes(&standing.json(), &wanted(&entry)?);
        if changes.is_empty() {
            self.unchanged.push(entry.definition.name);
        } else {
            self.steps.push(Step::Change { entry, seen: standing.etag().unwrap_or_else(|| "*".into()), changes });
        }
        Ok(())
    }

    fn counts(&self) -> [usize; 3] {
        let count = |fits: fn(&Step) -> bool| self.steps.iter().filter(|step| fits(step)).count();
        [
            count(|step| matches!(step, Step::Create(_))),
            count(|step| matches!(step, Step::Change { .. })),
            count(|step| matches!(step, Step::Delete(_))),
        ]
    }

    fn summary(&self, dry_run: bool) -> String {
        let ([new, changed, deleted], unchanged) = (self.counts(), self.unchanged.len());
        let counts = format!("{new} new, {changed} changed, {deleted} deleted, {unchanged} unchanged");
        match (self.steps.is_empty(), dry_run) {
            (true, _) => format!("= nothing to change: {unchanged} unchanged"),
            (false, true) => format!("= nothing was written; it would be {counts}"),
            (false, false) => format!("= {counts}"),
        }
    }

    fn json(&self, dry_run: bool) -> Value {
        let (mut created, mut changed, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for step in &self.steps {
            match step {
                Step::Create(entry) => created.push(json!(entry.definition.name)),
                Step::Change { entry, changes, .. } => {
                    let changes: Vec<_> = changes.iter().map(|one| json!({ "field": one.field, "from": one.from, "to": one.to })).collect();
                    changed.push(json!({ "name": entry.definition.name, "changes": changes }));
                }
                Step::Delete(name) => deleted.push(json!(name)),
            }
        }
        json!({ "dry_run": dry_run, "created": created, "changed": changed, "deleted": deleted, "unchanged": self.unchanged })
    }
}

impl Step {
    fn name(&self) -> &str {
        match self {
            Self::Create(entry) | Self::Change { entry, .. } => &entry.definition.name,
            Self::Delete(name) => name,
        }
    }

    /// The step for people.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Create(entry) => {
                let definition = &entry.definition;
                vec![format!("+ {}  {} {}  {}", definition.name, definition.cron, definition.time_zone, definition.job.kind)]
            }
            Self::Change { changes, .. } => {
                let fields = changes.iter().map(|change| format!("    {}: {} → {}", change.field, change.from, change.to));
                [format!("~ {}", self.name())].into_iter().chain(fields).collect()
            }
            Self::Delete(name) => vec![format!("- {name}")],
        }
    }

    /// Has the server do this, or only check it.
    async fn send(&self, trial: bool, client: &Client) -> Result<(), Failure> {
        let query: &[(&str, String)] = if trial { &[("dry_run", "true".to_owned())] } else { &[] };
        match self {
            Self::Create(entry) => client.post_to("/v1/schedules", query, wanted(entry)?.to_string()).await.map(drop),
            Self::Change { entry, seen, .. } => {
                client.patch_seen(&path(&entry.definition.name, ""), query, seen, wanted(entry)?.to_string()).await.map(drop)
            }
            Self::Delete(_) if trial => Ok(()),
            Self::Delete(name) => client.delete(&path(name, "")).await.map(drop),
        }
    }
}

/// The whole definition: as a patch it leaves nothing as it was, since what the file does not say is `null` in it.
fn wanted(entry: &Entry) -> Result<Value, Failure> {
    serde_json::to_value(&entry.definition).map_err(|error| Failure::Usage(format!("{}: {error}", entry.place)))
}

/// The fields in which a schedule is not what is wanted; those of the job one by one.
fn changes(standing: &Value, wanted: &Value) -> Vec<Change> {
    let of = |prefix: &str, standing: &Value, wanted: &Value| -> Vec<Change> {
        let fields = wanted.as_object().into_iter().flatten().filter(|(name, _)| *name != "job");
        let differs = fields.filter(|(name, to)| standing[name.as_str()] != **to);
        differs
            .map(|(name, to)| Change { field: format!("{prefix}{name}"), from: standing[name.as_str()].clone(), to: to.clone() })
            .collect()
    };
    [of("", standing, wanted), of("job.", &standing["job"], &wanted["job"])].concat()
}

/// Has the server check every step, so that nothing is written unless all would be.
async fn check(plan: &Plan, client: &Client) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for step in &plan.steps {
        match (step.send(true, client).await, step) {
            (Ok(()), _) => {}
            (Err(Failure::Refused(problem)), Step::Create(entry) | Step::Change { entry, .. }) => {
                let at = problem.pointer().map(|pointer| format!("{pointer}: ")).unwrap_or_default();
                refused.push(format!("{}: schedule {}: {at}{problem}", entry.place, entry.definition.name));
            }
            (Err(failure), _) => return Err(failure),
        }
    }
    match refused.len() {
        0 => Ok(()),
        count => Err(Failure::Job(format!("{count} of the schedules are refused, nothing was written:\n{}", refused.join("\n")))),
    }
}

async fn write(plan: &Plan, client: &Client) -> Result<(), Failure> {
    for (index, step) in plan.steps.iter().enumerate() {
        if let Err(failure) = step.send(false, client).await {
            let names = |steps: &[Step]| match steps {
                [] => "nothing".to_owned(),
                steps => steps.iter().map(Step::name).collect::<Vec<_>>().join(", "),
            };
            let (done, left) = (names(&plan.steps[..index]), names(&plan.steps[index..]));
            return Err(Failure::Job(format!("{}: {failure}\napplied: {done}; not applied: {left}", step.name())));
        }
    }
    Ok(())
}
