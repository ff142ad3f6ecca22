//! The `calc` client. Its connection to a server is kept open and reused for the next expressions.

use std::time::{Duration, Instant};

use super::errors;
use super::protocol::Message;
use crate::base::Value;
use crate::base::escape::{self, escape_line};
use crate::language::{Arguments, FromArguments, Target};
use crate::net::errors::malformed;
use crate::net::{Connection, udp};
use crate::report::{Failure, Outcome};
use crate::service::contract::dial;
use crate::service::contract::errors::server_missing;
use crate::service::contract::keys::ClientChoice;
use crate::service::{Answers, Context, Job};

/// Time limit for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// An error message shows at most this many characters of an expression.
const SHOWN: usize = 60;

/// `calc`.
struct CalcOptions {
    expression: String,
    server: Option<Target>,
    key: ClientChoice,
}

impl FromArguments for CalcOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let expression = arguments.text("expression").unwrap_or_default().to_owned();
        let key = ClientChoice::from_arguments(arguments);
        Self { expression, server: arguments.target("at"), key }
    }
}

pub(super) fn calc(questions: Vec<Arguments>, context: Context) -> Job<Answers> {
    Box::pin(async move {
        let questions: Vec<CalcOptions> = questions.iter().map(CalcOptions::from_arguments).collect();
        let Some(first) = questions.first() else { return Ok(Vec::new()) };
        // Those with another server or key are not asked together with this one.
        let (server, key) = (first.server.clone(), first.key.clone());
        let expressions: Vec<String> = questions.into_iter().map(|question| question.expression).collect();
        let what = |expression: &str| format!("calc {}", escape::excerpt(expression.as_bytes(), SHOWN));
        let began = Instant::now();
        let answers = ask(server, &key, &context, &expressions)
            .await
            .map_err(|failure| failure.of(expressions.first().map(|text| what(text)).unwrap_or_default()))?;
        let outcome = |(expression, answer): (&String, Result<String, String>)| {
            let value = answer.map_err(|text| wrong(expression, &text).of(what(expression)))?;
            // Scripts compute with the exact part; the approximation after `≈` is for people.
            let exact = value.split(" ≈ ").next().unwrap_or(&value);
            // The value goes into scripts, JSON and the environment of commands: reject anything that is not a number.
            if !value.chars().all(|c| c.is_ascii_digit() || " ≈./-+e".contains(c)) {
                return Err(errors::answer_not_a_number(&value, SHOWN).of(what(expression)));
            }
            let fields = vec![("value", Value::text(exact)), ("seconds", Value::seconds(began.elapsed()))];
            Ok(Outcome::new(value, fields))
        };
        Ok(expressions.iter().zip(answers).map(outcome).collect())
    })
}

/// The server's error, with the expression and a caret below the column that it names (faults.md row 66).
fn wrong(expression: &str, text: &str) -> Failure {
    let column = text.rsplit_once(" at column ").and_then(|(_, column)| column.parse::<usize>().ok());
    let failure = errors::not_computable(text);
    match column.filter(|&column| {
        (1..=expression.chars().count() + 1).contains(&column) && expression.len() < 2 * SHOWN
    }) {
        Some(column) => failure
            .detail([format!("  {}", escape_line(expression)), format!("  {}^", " ".repeat(column - 1))]),
        None => failure,
    }
}

/// Asks over the kept connection. If that has died meanwhile, a new one is made, once.
async fn ask(
    server: Option<Target>,
    key: &ClientChoice,
    context: &Context,
    expressions: &[String],
) -> Result<Vec<Result<String, String>>, Failure> {
    let credentials = context.key(key)?;
    let identity = credentials.identity();
    let place = server.ok_or_else(server_missing)?;
    let (idle, key) = (&context.idle, (crate::service::calc::protocol::ID, place, identity));
    let count = expressions.len() as u64;
    if let Some((mut connection, asked)) = idle.take(&key)
        && let Ok(answers) = exchange(&mut connection, asked, expressions).await
    {
        idle.keep(key, connection, asked + count);
        return Ok(answers);
    }
    let (mut connection, driver) =
        dial(&key.1, crate::service::calc::protocol::ID, udp::Options::default(), &credentials).await?;
    if let Some(driver) = driver {
        context.registry.spawn(driver);
    }
    let answers = exchange(&mut connection, 0, expressions).await?;
    idle.keep(key, connection, count);
    Ok(answers)
}

/// Sends all questions and collects the answers, matched by id, so that an answer is never taken for another question
/// (faults.md row 73).
async fn exchange(
    connection: &mut Connection,
    first: u64,
    expressions: &[String],
) -> Result<Vec<Result<String, String>>, Failure> {
    let mut frames = Vec::with_capacity(expressions.len());
    for (id, text) in (first..).zip(expressions) {
        frames.push(Message::Ask { id, expression: text.clone() }.encode());
    }
    connection.request(frames).await?;
    let mut answers: Vec<Option<Result<String, String>>> = vec![None; expressions.len()];
    while answers.iter().any(Option::is_none) {
        match Message::decode(&connection.incoming.frame(ANSWER_LIMIT, "answer").await?).map_err(malformed)? {
            Message::Answer { id, result } => {
                // A late answer to a question that was given up is ignored.
                let place = id.checked_sub(first).and_then(|at| answers.get_mut(usize::try_from(at).ok()?));
                if let Some(place) = place {
                    place.get_or_insert(result);
                }
            }
            Message::Ask { .. } => {
                return Err(errors::question_instead_of_answer());
            }
        }
    }
    Ok(answers.into_iter().flatten().collect())
}
