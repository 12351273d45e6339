//! Which variables a template needs, read from its syntax tree: paths such as `order.items[].name`, where `[]` is each of a list.
//!
//! What is guarded is not needed: by `is defined`, by `default(…)`, or by what the template sets itself. All else is, also where only some
//! other variable decides whether it is used: a message must not fail for what it was not given. Reading a template may cost memory
//! (constants are computed), so it is done where rendering is.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{
    Environment, ErrorKind, Value,
    machinery::{
        WhitespaceConfig,
        ast::{BinOpKind, CallArg, Expr, Stmt, UnaryOpKind},
        parse,
    },
    syntax::SyntaxConfig,
};

use super::fill;

/// A part of a template, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// What it needs, as paths.
    pub needs: BTreeSet<String>,
}

/// Reads a template. The error is for whoever wrote it, with its line.
pub fn read(name: &str, source: &str) -> Result<Read, String> {
    let environment = fill::environment();
    // What only the compiler refuses.
    environment.template_from_named_str(name, source).map_err(|error| fill::told(&error))?;
    let tree = parse(source, name, SyntaxConfig, WhitespaceConfig::default()).map_err(|error| fill::told(&error))?;
    let mut reader =
        Reader { environment: &environment, scopes: vec![BTreeMap::new()], guards: Vec::new(), branches: 0, read: Read::default() };
    reader.statement(&tree)?;
    Ok(reader.read)
}

/// From a variable to what is meant: each step a name, or `[]`.
type Path = Vec<String>;

/// What a name stands for within the template: something that was given, or something of its own.
type Binding = Option<Path>;

const EACH: &str = "[]";
/// Filters that keep the elements of a list as they are.
const KEEPING: [&str; 9] = ["sort", "reverse", "list", "unique", "select", "reject", "selectattr", "rejectattr", "safe"];

struct Reader<'e> {
    environment: &'e Environment<'e>,
    scopes: Vec<BTreeMap<String, Binding>>,
    /// What is known to be there, or is not asked for, at this place.
    guards: Vec<Path>,
    /// Branches around this place: what is set in one may not have been set.
    branches: usize,
    read: Read,
}

impl Reader<'_> {
    fn statements(&mut self, statements: &[Stmt<'_>]) -> Result<(), String> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'_>) -> Result<(), String> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::ForLoop(each) => {
                self.expression(&each.iter)?;
                let element = self.path_of(&each.iter).map(|mut path| {
                    path.push(EACH.into());
                    path
                });
                self.scopes.push(BTreeMap::from([("loop".to_owned(), None)]));
                match &each.target {
                    Expr::Var(name) => self.bind(name.id, element),
                    others => self.bind_own(others),
                }
                let guards = self.guards.len();
                if let Some(filter) = &each.filter_expr {
                    self.expression(filter)?;
                    self.guard(filter, true);
                }
                self.branches += 1;
                let body = self.statements(&each.body);
                self.branches -= 1;
                self.guards.truncate(guards);
                self.scopes.pop();
                body?;
                self.branch(&each.else_body)
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr)?;
                self.guarded(&condition.expr, true, |reader| reader.branch(&condition.true_body))?;
                self.guarded(&condition.expr, false, |reader| reader.branch(&condition.false_body))
            }
            Stmt::WithBlock(with) => {
                self.scopes.push(BTreeMap::new());
                for (target, value) in &with.assignments {
                    self.assign(target, value)?;
                }
                let body = self.statements(&with.body);
                self.scopes.pop();
                body
            }
            Stmt::Set(set) => self.assign(&set.target, &set.expr),
            Stmt::SetBlock(set) => {
                self.statements(&set.body)?;
                if let Some(filter) = &set.filter {
                    self.expression(filter)?;
                }
                self.bind_own(&set.target);
                Ok(())
            }
            Stmt::AutoEscape(escape) => {
                self.expression(&escape.enabled)?;
                self.statements(&escape.body)
            }
            Stmt::FilterBlock(block) => {
                self.expression(&block.filter)?;
                self.statements(&block.body)
            }
            Stmt::Do(done) => {
                self.expression(&done.call.expr)?;
                self.arguments(&done.call.args)
            }
            #[allow(unreachable_patterns, reason = "statements of features that this program does not ask for, and another of a build may")]
            _ => Err("line 0: a statement that templates here do not have".into()),
        }
    }

    /// Statements that may not be reached.
    fn branch(&mut self, statements: &[Stmt<'_>]) -> Result<(), String> {
        self.branches += 1;
        let read = self.statements(statements);
        self.branches -= 1;
        read
    }

    fn assign(&mut self, target: &Expr<'_>, value: &Expr<'_>) -> Result<(), String> {
        self.expression(value)?;
        match target {
            Expr::Var(name) if self.branches == 0 => {
                let path = self.path_of(value);
                self.bind(name.id, path);
            }
            others => self.bind_own(others),
        }
        Ok(())
    }

    fn bind(&mut self, name: &str, binding: Binding) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), binding);
        }
    }

    fn bind_own(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(name) => self.bind(name.id, None),
            Expr::List(names) => names.items.iter().for_each(|name| self.bind_own(name)),
            _ => {}
        }
    }

    fn expressions<'a: 'x, 'x>(&mut self, all: impl IntoIterator<Item = &'x Expr<'a>>) -> Result<(), String> {
        all.into_iter().try_for_each(|one| self.expression(one))
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) -> Result<(), String> {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(value) | CallArg::Kwarg(_, value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                self.expression(value)
            }
        })
    }

    fn expression(&mut self, expression: &Expr<'_>) -> Result<(), String> {
        match expression {
            Expr::Var(_) => {
                self.need(expression);
                Ok(())
            }
            Expr::GetAttr(attribute) => match self.path_of(expression) {
                Some(_) => {
                    self.need(expression);
                    Ok(())
                }
                None => self.expression(&attribute.expr),
            },
            Expr::GetItem(item) => {
                self.expression(&item.subscript_expr)?;
                match self.path_of(expression) {
                    Some(_) => {
                        self.need(expression);
                        Ok(())
                    }
                    None => self.expression(&item.expr),
                }
            }
            Expr::Const(_) => Ok(()),
            Expr::Slice(slice) => {
                self.expression(&slice.expr)?;
                self.expressions([&slice.start, &slice.stop, &slice.step].into_iter().flatten())
            }
            Expr::UnaryOp(operation) => self.expression(&operation.expr),
            Expr::BinOp(operation) => {
                self.expression(&operation.left)?;
                match operation.op {
                    BinOpKind::ScAnd => self.guarded(&operation.left, true, |reader| reader.expression(&operation.right)),
                    BinOpKind::ScOr => self.guarded(&operation.left, false, |reader| reader.expression(&operation.right)),
                    _ => self.expression(&operation.right),
                }
            }
            Expr::Compare(compare) => {
                self.expression(&compare.expr)?;
                self.expressions(compare.ops.iter().map(|operation| &operation.expr))
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr)?;
                self.guarded(&choice.test_expr, true, |reader| reader.expression(&choice.true_expr))?;
                self.guarded(&choice.test_expr, false, |reader| reader.expressions(&choice.false_expr))
            }
            Expr::Filter(filter) => {
                self.check_filter(filter.name, expression)?;
                match &filter.expr {
                    Some(value) if matches!(filter.name, "default" | "d") => self.without_its_end(value)?,
                    value => self.expressions(value)?,
                }
                self.arguments(&filter.args)
            }
            Expr::Test(test) => {
                self.check_test(test.name, expression)?;
                match test.name {
                    "defined" | "undefined" => self.without_its_end(&test.expr)?,
                    _ => self.expression(&test.expr)?,
                }
                self.arguments(&test.args)
            }
            Expr::Call(call) => {
                match &call.expr {
                    Expr::Var(name) => self.check_function(name.id, expression)?,
                    // A method is its value's.
                    Expr::GetAttr(method) => self.expression(&method.expr)?,
                    other => self.expression(other)?,
                }
                self.arguments(&call.args)
            }
            Expr::List(list) => self.expressions(&list.items),
            Expr::Map(map) => self.expressions(map.keys.iter().chain(&map.values)),
        }
    }

    /// Of `a.b`, where `b` may be missing, `a` may not.
    fn without_its_end(&mut self, expression: &Expr<'_>) -> Result<(), String> {
        match expression {
            Expr::Var(_) => Ok(()),
            Expr::GetAttr(attribute) => self.expression(&attribute.expr),
            Expr::GetItem(item) => {
                self.expression(&item.subscript_expr)?;
                self.expression(&item.expr)
            }
            other => self.expression(other),
        }
    }

    /// Reads something where this is known to be true, or false.
    fn guarded(&mut self, by: &Expr<'_>, is: bool, read: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        let guards = self.guards.len();
        self.guard(by, is);
        let done = read(self);
        self.guards.truncate(guards);
        done
    }

    /// Notes what is there where this is true, or false.
    fn guard(&mut self, by: &Expr<'_>, is: bool) {
        match by {
            Expr::Test(test) if test.name == if is { "defined" } else { "undefined" } => self.guards.extend(self.path_of(&test.expr)),
            Expr::UnaryOp(operation) if matches!(operation.op, UnaryOpKind::Not) => self.guard(&operation.expr, !is),
            Expr::BinOp(operation) if matches!((&operation.op, is), (BinOpKind::ScAnd, true) | (BinOpKind::ScOr, false)) => {
                self.guard(&operation.left, is);
                self.guard(&operation.right, is);
            }
            _ => {}
        }
    }

    fn need(&mut self, expression: &Expr<'_>) {
        // That a list has elements is nobody's need.
        let Some(path) = self.path_of(expression).filter(|path| path.last().is_none_or(|step| step != EACH)) else { return };
        if !self.guards.iter().any(|guard| path.starts_with(guard)) {
            self.read.needs.insert(path.join(".").replace(".[]", EACH));
        }
    }

    /// What was given that this is about; none where it is the template's own, or computed.
    fn path_of(&self, expression: &Expr<'_>) -> Binding {
        match expression {
            Expr::Var(name) => match self.scopes.iter().rev().find_map(|scope| scope.get(name.id)) {
                Some(binding) => binding.clone(),
                None => self.environment.empty_state().lookup(name.id).is_none().then(|| vec![name.id.to_owned()]),
            },
            Expr::GetAttr(attribute) => self.step(&attribute.expr, attribute.name),
            Expr::GetItem(item) => match &item.subscript_expr {
                Expr::Const(name) => self.step(&item.expr, name.value.as_str()?),
                _ => None,
            },
            Expr::Filter(filter) if KEEPING.contains(&filter.name) => self.path_of(filter.expr.as_ref()?),
            Expr::Slice(slice) => self.path_of(&slice.expr),
            _ => None,
        }
    }

    /// A name that would not read as one in a path is not followed.
    fn step(&self, of: &Expr<'_>, name: &str) -> Binding {
        let mut path = self.path_of(of)?;
        let plain = !name.is_empty() && !name.contains(['.', '[', ']']);
        plain.then(|| {
            path.push(name.to_owned());
            path
        })
    }

    fn check_filter(&self, name: &str, at: &Expr<'_>) -> Result<(), String> {
        let tried = self.environment.empty_state().apply_filter(name, &[Value::UNDEFINED]);
        let unknown = tried.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter);
        if unknown { Err(unknown_name("filter", name, at)) } else { Ok(()) }
    }

    fn check_test(&self, name: &str, at: &Expr<'_>) -> Result<(), String> {
        let tried = self.environment.empty_state().perform_test(name, &[Value::UNDEFINED]);
        let unknown = tried.is_err_and(|error| error.kind() == ErrorKind::UnknownTest);
        if unknown { Err(unknown_name("test", name, at)) } else { Ok(()) }
    }

    fn check_function(&self, name: &str, at: &Expr<'_>) -> Result<(), String> {
        let own = self.scopes.iter().any(|scope| scope.contains_key(name));
        if own || self.environment.empty_state().lookup(name).is_some() { Ok(()) } else { Err(unknown_name("function", name, at)) }
    }
}

fn unknown_name(what: &str, name: &str, at: &Expr<'_>) -> String {
    format!("line {}: there is no {what} {name:?}", at.span().start_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(source: &str) -> String {
        let read = read("text", source).unwrap_or_else(|error| panic!("{source}: {error}"));
        read.needs.into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_needed_is_named_by_its_path() {
        let cases = [
            ("Hello {{ name }}", "name"),
            ("{{ order.id }} {{ order['total'] }} {{ order.id }}", "order.id order.total"),
            ("{% for item in order.items %}{{ item.name }} {{ loop.index }}{% endfor %}", "order.items order.items[].name"),
            ("{% for a in x|sort %}{% for b in a.y[:3] %}{{ b.z }}{% endfor %}{% endfor %}", "x x[].y x[].y[].z"),
            ("{% for k, v in map|items %}{{ k }}{{ v.x }}{% endfor %}", "map"),
            ("{% set who = user.name %}{{ who }} {{ who.x }}", "user.name user.name.x"),
            ("{% with u = user %}{{ u.name }}{% endwith %}{{ u }}", "u user user.name"),
            ("{% if vip %}{{ discount }}{% endif %}", "discount vip"),
            ("{{ range(count) | join(sep) }}", "count sep"),
            ("{{ items[0].name }} {{ items[n] }}", "items n"),
            ("{{ a['x.y'] }}", "a"),
            ("{{ [p, {'k': q}] | length }}", "p q"),
            ("{{ locale.tag }}", "locale.tag"),
        ];
        for (source, expected) in cases {
            assert_eq!(needs(source), expected, "{source}");
        }
    }

    #[test]
    fn what_is_guarded_is_not_needed() {
        let cases = [
            ("{{ name | default('you') }}", ""),
            ("{{ user.name | d('you') }}", "user"),
            ("{% if name is defined %}{{ name }} {{ name.x }}{% else %}{{ other }}{% endif %}", "other"),
            ("{% if name is undefined %}x{% else %}{{ name }}{% endif %}", ""),
            ("{% if not name is defined %}{{ a }}{% else %}{{ name }}{% endif %}", "a"),
            ("{% if a is defined and a.b %}{{ a.b }}{% endif %}", ""),
            ("{% if a is undefined or a.b %}{{ a }}{% endif %}", "a"),
            ("{{ name if name is defined else 'x' }}", ""),
            ("{% for x in xs if x.y is defined %}{{ x.y }}{% endfor %}", "xs"),
            ("{% set x = 1 %}{{ x }}", ""),
            ("{% if a %}{% set x = b %}{% endif %}{{ x.y }}", "a b"),
        ];
        for (source, expected) in cases {
            assert_eq!(needs(source), expected, "{source}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let cases = [
            ("a\n{{ b", "line 2"),
            ("\n\n{{ a | nope }}", "line 3: there is no filter \"nope\""),
            ("{{ a is nope }}", "line 1: there is no test \"nope\""),
            ("\n{{ nope(a) }}", "line 2: there is no function \"nope\""),
            ("{% include 'x' %}", "line 1"),
            ("{% if a %}", "line 1"),
        ];
        for (source, expected) in cases {
            let error = read("text", source).expect_err(source);
            assert!(error.starts_with(expected), "{source}: {error}");
        }
    }
}
