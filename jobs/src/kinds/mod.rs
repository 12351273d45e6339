//! The built-in kinds. A kind is a folder: `mod.rs` its contract, `handler.rs` its code.
//!
//! To add one: copy `echo`, and name it in the two lists below.

pub mod build_generate;
pub mod connection_test;
pub mod echo;
pub mod hook_apply;
pub mod hook_forward;
pub mod http_request;
pub mod notification_broadcast;
pub mod notification_email;
pub mod notification_push;
pub mod notification_sms;
pub mod notification_whatsapp;
pub mod notification_whatsapp_templates;
pub mod page;
pub mod sync_preview;
pub mod sync_run;
pub mod translation_translate;

#[cfg(feature = "handlers")]
use std::sync::Arc;

#[cfg(feature = "handlers")]
use self::{
    build_generate::tools::{Shape, Tools},
    notification_broadcast::part::UnlessCancelled,
    notification_push::apple::Apple,
};
use serde_json::Value;

use crate::contract::{Contract, Violation};
#[cfg(feature = "handlers")]
use crate::{
    clock::{Clock, SystemClock},
    connection::door::Doors,
    outbound::{self, Outbound, tokens::Tokens},
    renderer::pool::Renderers,
    settings::Settings,
};

/// The contracts of the built-in kinds.
pub fn contracts() -> Vec<Contract> {
    vec![
        build_generate::contract(),
        connection_test::contract(),
        echo::contract(),
        hook_apply::contract(),
        hook_forward::contract(),
        http_request::contract(),
        notification_broadcast::contract(),
        notification_email::contract(),
        notification_push::contract(),
        notification_sms::contract(),
        notification_whatsapp::contract(),
        notification_whatsapp_templates::contract(),
        sync_preview::contract(),
        sync_run::contract(),
        translation_translate::contract(),
    ]
}

/// What is wrong with a payload of a built-in kind that its schema cannot say: pointers begin at the payload. Pure, so that it is asked
/// wherever a job is made; what takes a look at the ledger is `notification/admit.rs`'s.
pub fn check(kind: &str, payload: &Value) -> Result<(), Violation> {
    match kind {
        notification_broadcast::KIND => notification_broadcast::check::check(payload),
        notification_sms::KIND => notification_sms::check(payload),
        notification_whatsapp::KIND => notification_whatsapp::check(payload),
        notification_push::KIND => notification_push::check(payload),
        notification_email::KIND => notification_email::check::check(payload),
        sync_preview::KIND => sync_preview::check(payload),
        translation_translate::KIND => translation_translate::check(payload),
        _ => Ok(()),
    }
}

/// Processes of a worker that make messages at once: each makes hundreds a second, and waits for nothing.
#[cfg(feature = "handlers")]
const RENDERERS_MAX: usize = 4;

/// What handlers need of the process that they run in.
#[cfg(feature = "handlers")]
#[derive(Clone)]
pub struct Services {
    /// The way out.
    pub outbound: Outbound,
    /// The ways to tenants' own endpoints.
    pub doors: Doors,
    /// The tokens of connections.
    pub tokens: Tokens,
    /// What builds need.
    pub build: Tools,
    /// Who makes messages of templates, for `notification::compose`.
    pub renderers: Renderers,
    /// The way to APNs.
    pub apple: Apple,
    /// Where the api is reached from outside, without a slash at its end; none where nobody said.
    pub public_url: Option<String>,
    /// The machine's time, for what is told to others.
    pub clock: Arc<dyn Clock>,
}

#[cfg(feature = "handlers")]
impl Services {
    /// Those of this installation; `links_base` is where its api is reached, where that is known.
    pub fn of(settings: &Settings, shape: Shape, links_base: Option<&str>) -> Result<Self, crate::settings::Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let wrong = |error: outbound::Error| crate::settings::Error::at("outbound.allow_hosts", error.to_string());
        let outbound = Outbound::new(settings.outbound.allow_hosts.clone()).map_err(wrong)?;
        let public_url = links_base.or(settings.api.public_url.as_deref()).filter(|url| !url.is_empty()).map(str::to_owned);
        let build = Tools::of(settings, shape, outbound.clone())?;
        let renderers = Renderers::new(build.renderer.clone(), RENDERERS_MAX);
        let apple = Apple::new(outbound.clone(), clock.clone());
        let (doors, tokens) = (Doors::new(outbound.clone()), Tokens::new(outbound.clone(), clock.clone()));
        Ok(Self { outbound, doors, tokens, build, renderers, apple, public_url, clock })
    }
}

/// The handlers of the built-in kinds, which call the outside world this way.
#[cfg(feature = "handlers")]
pub fn handlers(services: &Services) -> crate::handler::Registry {
    crate::handler::Registry::default()
        .with(build_generate::handler::Generate(services.build.clone()))
        .with(connection_test::handler::TestConnection::new(services))
        .with(echo::handler::Echo)
        .with(hook_apply::handler::ApplyHook)
        .with(hook_forward::handler::ForwardHook::new(services.clone()))
        .with(http_request::handler::HttpRequest::new(services.clone()))
        .with(notification_broadcast::handler::Broadcast(services.clock.clone()))
        .with(UnlessCancelled(notification_sms::handler::Sms::new(services.clone())))
        .with(UnlessCancelled(notification_whatsapp::handler::WhatsApp::new(services.clone())))
        .with(notification_whatsapp_templates::handler::SyncTemplates::new(services.clone()))
        .with(UnlessCancelled(notification_push::handler::Push::new(services.clone())))
        .with(sync_preview::handler::PreviewSync::new(services.clone()))
        .with(UnlessCancelled(notification_email::handler::NotificationEmail::new(services.clone())))
        .with(sync_run::handler::SyncRun::new(services.clone()))
        .with(translation_translate::handler::Translate::new(services.clone()))
}
