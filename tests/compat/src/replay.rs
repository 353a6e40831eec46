//! Playing scenarios against a server.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Client;

use crate::client::{self, Answer, Request};
use crate::compare::compare;
use crate::pattern::Kept;
use crate::report::{Difference, Outcome, Report, ScenarioReport};
use crate::scenario::{Need, Place, Scenario, Step, load};
use crate::variables::{Variables, run_name};

/// A server, by its address.
#[derive(Clone, Default)]
pub struct Target {
    /// Base address of the management API or the full node, `http://127.0.0.1:8080`.
    pub api: String,
    /// Base address of the load balancer; `None` when the API is a full node.
    pub lb: Option<String>,
    /// Sent as bearer token with every request that names nobody itself.
    pub token: Option<String>,
    /// A function image that the server can run and that answers 200; scenarios that need one are left out without.
    pub image: Option<String>,
    /// A file with the certificates to trust for `https://`.
    pub authority: Option<PathBuf>,
    /// Take our own answers only, and not the alternatives, which are the original's.
    pub strict: bool,
}

/// Plays all scenarios of a directory, one after another. Every app that they make is deleted again.
///
/// # Errors
/// When a file cannot be read. A server that cannot be reached is a difference.
pub async fn replay(target: &Target, directory: &Path) -> Result<Report, String> {
    replay_all(target, &load(directory)?).await
}

/// Plays these scenarios, one after another.
///
/// # Errors
/// When no HTTP client can be made of the target's settings.
pub async fn replay_all(target: &Target, scenarios: &[Scenario]) -> Result<Report, String> {
    let client = client::client(target.authority.as_deref())?;
    let mut report = Report::default();
    for scenario in scenarios {
        report.scenarios.push(play(target, &client, scenario).await);
    }
    Ok(report)
}

async fn play(target: &Target, client: &Client, scenario: &Scenario) -> ScenarioReport {
    let outcome = Outcome::Same;
    let (name, title) = (scenario.name.clone(), scenario.title.clone());
    let mut report = ScenarioReport { name, title, outcome, otherwise: 0, left_out: 0 };
    if target.lacks(&scenario.needs) {
        report.outcome = Outcome::LeftOut("--image");
        return report;
    }
    let mut known = Variables::default();
    known.set("run", run_name());
    if let Some(image) = &target.image {
        known.set("image", image.as_str());
    }
    let mut player = Player { target, client, known, apps: Vec::new() };
    let mut differences = Vec::new();
    for (number, step) in (1..).zip(&scenario.steps) {
        if target.lacks(&step.needs) {
            report.left_out += 1;
            continue;
        }
        match player.play(step).await {
            Ok(Found::AsExpected) => {}
            Ok(Found::Otherwise) => report.otherwise += 1,
            Err((request, lines)) => {
                differences.push(Difference { step: number, name: step.name.clone(), request, lines });
            }
        }
    }
    player.delete_apps().await;
    if !differences.is_empty() {
        report.outcome = Outcome::Differs(differences);
    }
    report
}

enum Found {
    AsExpected,
    Otherwise,
}

struct Player<'a> {
    target: &'a Target,
    client: &'a Client,
    known: Variables,
    /// The ids of apps that were made.
    apps: Vec<String>,
}

impl Player<'_> {
    /// Plays one step, as often as it says.
    async fn play(&mut self, step: &Step) -> Result<Found, (String, Vec<String>)> {
        let mut found = Found::AsExpected;
        for number in 1..=step.repeat {
            self.known.set("n", format!("{number:03}"));
            let request = self.request(step).map_err(|why| (step.send.clone(), vec![why]))?;
            let line = format!("{} {}", request.method, request.url);
            let answer = client::send(self.client, &request, self.target.token.as_deref()).await;
            let answer = answer.map_err(|why| (line.clone(), vec![format!("no answer: {why}")]))?;
            self.remember_app(&request, &answer);
            let (kept, alike) = self.judge(step, &answer).map_err(|lines| (line, lines))?;
            self.known.extend(kept);
            if let Found::Otherwise = alike {
                found = alike;
            }
        }
        Ok(found)
    }

    fn judge(&self, step: &Step, answer: &Answer) -> Result<(Kept, Found), Vec<String>> {
        let differences = match compare(&step.expectation(), answer, &self.known) {
            Ok(kept) => return Ok((kept, Found::AsExpected)),
            Err(differences) => differences,
        };
        let alternatives = step.either.iter().filter(|_| !self.target.strict);
        let mut fitting = alternatives.filter_map(|other| compare(other, answer, &self.known).ok());
        fitting.next().map(|kept| (kept, Found::Otherwise)).ok_or(differences)
    }

    fn request(&self, step: &Step) -> Result<Request, String> {
        let send = self.known.fill(&step.send)?;
        let (method, place) = send.split_once(' ').ok_or("`send` must be a method and a path")?;
        let is_address = place.starts_with("http://") || place.starts_with("https://");
        let base = match step.to {
            _ if is_address => "",
            Place::Api => &self.target.api,
            Place::Lb => self.target.lb.as_ref().unwrap_or(&self.target.api),
        };
        let headers = step.headers.iter();
        let headers = headers.map(|(name, value)| Ok((name.clone(), self.known.fill(value)?)));
        Ok(Request {
            method: method.to_owned(),
            url: format!("{}{place}", base.trim_end_matches('/')),
            headers: headers.collect::<Result<_, String>>()?,
            body: step.body.as_ref().map(|body| self.known.fill(body)).transpose()?,
        })
    }

    fn remember_app(&mut self, request: &Request, answer: &Answer) {
        let is_create = request.method == "POST" && request.url.ends_with("/v2/apps") && answer.status == 200;
        let body: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
        let id = body.as_ref().and_then(|app| app["id"].as_str());
        self.apps.extend(id.filter(|_| is_create).map(str::to_owned));
    }

    /// Whatever the steps have left; what they have deleted themselves is gone, and its 404 is no news.
    async fn delete_apps(&mut self) {
        for app in std::mem::take(&mut self.apps) {
            let url = format!("{}/v2/apps/{app}", self.target.api.trim_end_matches('/'));
            let request = Request { method: "DELETE".to_owned(), url, headers: Vec::new(), body: None };
            drop(client::send(self.client, &request, self.target.token.as_deref()).await);
        }
    }
}

impl fmt::Debug for Target {
    /// Without the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Target");
        fields.field("api", &self.api).field("lb", &self.lb).field("image", &self.image);
        fields.field("strict", &self.strict).finish_non_exhaustive()
    }
}

impl Target {
    fn lacks(&self, needs: &[Need]) -> bool {
        needs.contains(&Need::Image) && self.image.is_none()
    }
}
