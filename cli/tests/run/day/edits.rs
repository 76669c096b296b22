// What is edited, in this order.

const EDITS: &[Edit] = &[
    Edit {
        what: "an arm of a select",
        places: &[(HANDS, "format!(\"told {n}\")", "format!(\"heard {}\", n + 1)")],
        expected: Live,
    },
    Edit {
        what: "another branch of a select",
        places: &[(
            HANDS,
            "        () = sleep(Duration::from_secs(5)) => \"late\".to_owned(),",
            "        () = std::future::pending() => \"never\".to_owned(),\n        () = sleep(Duration::from_secs(5)) => \"late\".to_owned(),",
        )],
        expected: Same,
    },
    Edit {
        what: "a timeout around an await",
        places: &[(
            HANDS,
            "\"/slow\" => fetch(1).await.to_string(),",
            "\"/slow\" => match tokio::time::timeout(Duration::from_secs(3), fetch(1)).await {\n                Ok(n) => format!(\"got {n}\"),\n                Err(_) => \"timed out\".to_owned(),\n            },",
        )],
        expected: Live,
    },
    Edit {
        what: "a match of an async method of a trait",
        places: &[(HANDS, "\"/\" => \"index\".to_owned(),", "\"/\" => \"welcome\".to_owned(),\n            \"/none\" => \"some\".to_owned(),")],
        expected: Live,
    },
    Edit {
        what: "a third future of a join",
        places: &[
            (HANDS, "let (a, b) = tokio::join!(fetch(1), fetch(2));", "let (a, b, c) = tokio::join!(fetch(1), fetch(2), fetch(3));"),
            (HANDS, "format!(\"{a} {b}\")", "format!(\"{a} {b} {c}\")"),
        ],
        expected: Live,
    },
    Edit {
        what: "a loop of retries",
        places: &[(HANDS, "if left > 1 { Err", "if left > 2 { Err")],
        expected: Live,
    },
    Edit {
        what: "another error of an async fn",
        places: &[
            (HANDS, "async fn retried(mut left: u32) -> Result<u32, String>", "async fn retried(mut left: u32) -> Result<u64, &'static str>"),
            (HANDS, "Ok(n) => return Ok(n),", "Ok(n) => return Ok(u64::from(n) + 1),"),
            (HANDS, "Err(why) => return Err(why),", "Err(_) => return Err(\"no\"),"),
        ],
        expected: Live,
    },
    Edit {
        what: "a variant of an enum that nobody holds",
        places: &[
            (MODEL, "    Shipped(u32),\n}", "    Shipped(u32),\n    Lost,\n}"),
            (MODEL, "if n % 2 == 0 { Status::Open } else { Status::Shipped(n) }", "match n {\n        0 => Status::Open,\n        1 => Status::Shipped(n),\n        _ => Status::Lost,\n    }"),
            (MODEL, "=> format!(\"shipped on {day}\"),", "=> format!(\"shipped on {day}\"),\n        Status::Lost => \"lost\".to_owned(),"),
        ],
        expected: Refused("`Lost` is new"),
    },
    Edit {
        what: "variants in another order",
        places: &[(MODEL, "    Open,\n    Shipped(u32),", "    Shipped(u32),\n    Open,")],
        expected: Refused("`Open` is number 1"),
    },
    Edit {
        what: "a field of a type within a function",
        places: &[
            (MODEL, "        pieces: u32,\n    }\n", "        pieces: u32,\n        least: u32,\n    }\n"),
            (MODEL, "order.pieces).sum(),\n    };", "order.pieces).sum(),\n        least: orders.iter().map(|order| order.pieces).min().unwrap_or(0),\n    };"),
            (MODEL, "format!(\"{} orders, {} pieces\", sum.count, sum.pieces)", "format!(\"{} orders, {} pieces, {} at least\", sum.count, sum.pieces, sum.least)"),
        ],
        expected: Refused("Sum"),
    },
    Edit {
        what: "a derive",
        places: &[
            (MODEL, "#[derive(Clone, Copy, Debug)]\nenum Status", "#[derive(Clone, Copy, Debug, PartialEq)]\nenum Status"),
            (MODEL, "    match status {\n", "    if status == Status::Open {\n        return \"wide open\".to_owned();\n    }\n    match status {\n"),
        ],
        expected: Live,
    },
    Edit {
        what: "a derive of a type that lives",
        places: &[
            (MODEL, "#[derive(Clone, Debug, Named, PartialEq)]", "#[derive(Clone, Debug, Named, PartialEq, Eq, PartialOrd, Ord)]"),
            (MODEL, "orders.iter().max_by_key(|order| order.pieces)", "orders.iter().min()"),
        ],
        expected: Live,
    },
    Edit {
        what: "a derive that is written out",
        places: &[
            (MODEL, "#[derive(Clone, Debug, Named, PartialEq, Eq, PartialOrd, Ord)]", "#[derive(Clone, Named, PartialEq, Eq, PartialOrd, Ord)]"),
            (MODEL, "impl fmt::Display for Order {", "impl fmt::Debug for Order {\n    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {\n        write!(f, \"<{}>\", self.id)\n    }\n}\n\nimpl fmt::Display for Order {"),
        ],
        expected: Live,
    },
    Edit {
        what: "an associated constant of an impl",
        places: &[(MODEL, "const RATE: u32 = 3;", "const RATE: u32 = 5;")],
        expected: Live,
    },
    Edit {
        what: "an impl of drop",
        places: &[(MODEL, "format!(\"end {}\", self.0)", "format!(\"dropped {}\", self.0)")],
        expected: Live,
    },
    Edit {
        what: "an impl of drop that comes",
        places: &[(MODEL, "#[allow(dead_code)]\n#[derive(Debug, Default)]", "impl Drop for Settings {\n    fn drop(&mut self) {\n        LOG.with_borrow_mut(|log| log.push(\"settings\".to_owned()));\n    }\n}\n\n#[allow(dead_code)]\n#[derive(Debug, Default)]"),
            (MODEL, "let settings = Settings { level: 2, ..Settings::default() };", "let settings = Settings { level: 3, verbose: true };"),
            (MODEL, "    drop(outer);\n", "    drop(Settings { level: 0, verbose: false });\n    drop(outer);\n"),
        ],
        expected: Live,
    },
    Edit {
        what: "a recursion through dyn",
        places: &[(MODEL, "1 + self.0.iter().map(|node| node.depth()).max().unwrap_or(0)", "100 + self.0.iter().map(|node| node.depth()).sum::<u32>()")],
        expected: Live,
    },
    Edit {
        what: "a display",
        places: &[(MODEL, "\"#{} x{}\", self.id, self.pieces", "\"no. {}: {:>4}\", self.id, self.pieces")],
        expected: Live,
    },
    Edit {
        what: "a function that is renamed with its callers",
        places: &[(MODEL, "fn summary(orders", "fn overview(orders"), (MODEL, "summary(&self.orders)", "overview(&self.orders)")],
        expected: Same,
    },
    Edit {
        what: "a renamed function that is edited",
        places: &[(MODEL, "\"{} orders, ", "\"{} orders and ")],
        expected: Live,
    },
    Edit {
        what: "a function that moves to another module",
        places: &[
            (CALC, "fn show<T: std::fmt::Debug>(value: T) -> String {\n    format!(\"{value:?}\")\n}\n\n", ""),
            (CALC, "mod inner {\n", "mod inner {\n    pub fn show<T: std::fmt::Debug>(value: T) -> String {\n        format!(\"<{value:?}>\")\n    }\n\n"),
            (CALC, "show(vec![Some(1.5)])", "inner::show(vec![Some(1.5)])"),
        ],
        expected: Live,
    },
    Edit {
        what: "a generic's bound",
        places: &[(CALC, "pub fn show<T: std::fmt::Debug>(value: T)", "pub fn show<T: std::fmt::Debug + Clone>(value: T)"), (CALC, "format!(\"<{value:?}>\")", "format!(\"<{:?}>\", value.clone())")],
        expected: Same,
    },
    Edit {
        what: "a parameter of a type",
        places: &[(CALC, "show(vec![Some(1.5)])", "show([Some(1.5_f32); 2])")],
        expected: Live,
    },
    Edit {
        what: "a constant in the length of an array",
        places: &[(CALC, "const WIDTH: usize = 3;", "const WIDTH: usize = 5;")],
        expected: Live,
    },
    Edit {
        what: "a const fn",
        places: &[(CALC, "    n * n\n", "    n * n + 1\n")],
        expected: Live,
    },
    Edit {
        what: "the length of a static",
        places: &[(CALC, "static PRIMES: [u32; 3] = [2, 3, 5];", "static PRIMES: [u32; 4] = [11, 3, 5, 7];")],
        expected: Live,
    },
    Edit {
        what: "a static that becomes a slice",
        places: &[(CALC, "static PRIMES: [u32; 4] = [11, 3, 5, 7];", "static PRIMES: &[u32] = &[11, 3, 5, 7, 13];")],
        expected: Live,
    },
    Edit {
        what: "a closure in a chain",
        places: &[(CALC, ".map(|n| n * 10).collect()", ".map(|n| n * 100 + 1).collect()")],
        expected: Live,
    },
    Edit {
        what: "a step of a chain",
        places: &[(CALC, "(0..up_to).filter(|n| n % 2 == 0)", "(0..up_to).rev().skip(1).filter(|n| n % 2 == 0)")],
        expected: Live,
    },
    Edit {
        what: "another type behind impl Trait",
        places: &[(CALC, "    (0..up_to).filter(|n| n % 2 == 1)", "    (0..up_to).rev().step_by(2)")],
        expected: Live,
    },
    Edit {
        what: "a lifetime",
        places: &[(CALC, "fn longer<'a>(a: &'a str, b: &'a str) -> &'a str {\n    if a.len() >= b.len() { a } else { b }", "fn longer<'a, 'b: 'a>(a: &'a str, b: &'b str) -> &'a str {\n    if a.len() < b.len() { a } else { b }")],
        expected: Live,
    },
    Edit {
        what: "what a macro_rules says",
        places: &[(CALC, "{ 0 $(+ $value)* }", "{ 1 $(* ($value + 1))* }")],
        expected: Live,
    },
    Edit {
        what: "an extern fn that C calls",
        places: &[(CALC, "(*b).cmp(&*a) as i32", "(*a).cmp(&*b) as i32")],
        expected: Live,
    },
    Edit {
        what: "an unsafe fn",
        places: &[(CALC, "unsafe { *values }", "unsafe { *values.add(1) }")],
        expected: Live,
    },
    Edit {
        what: "an unsafe extern fn",
        places: &[(CALC, "unsafe fn first(", "unsafe extern \"C\" fn first(")],
        expected: Refused("code that runs calls it as it was"),
    },
    Edit {
        what: "the message of a panic",
        places: &[(CALC, ".expect(\"no number\")", ".expect(\"no number at all\")")],
        expected: Live,
    },
    Edit {
        what: "an error's text",
        places: &[(CALC, "divided(4)?))", "divided(0)?))"), (CALC, "\"by nothing\"", "\"by naught\"")],
        expected: Live,
    },
    Edit {
        what: "the type of an error",
        places: &[
            (CALC, "fn divided(n: u32) -> Result<u32, String>", "fn divided(n: u32) -> Result<u32, std::num::ParseIntError>"),
            (CALC, ".ok_or_else(|| \"by naught\".to_owned())", ".map_or_else(|| \"x\".parse::<u32>(), Ok)"),
            (CALC, "fn tried() -> Result<String, String>", "fn tried() -> Result<String, Box<dyn std::error::Error>>"),
        ],
        expected: Live,
    },
    Edit {
        what: "a use",
        places: &[(CALC, "use std::collections::HashMap;", "use std::collections::{BTreeSet, HashMap};"), (CALC, "    let mut values = [3, 1, 2];", "    let _: BTreeSet<u8> = BTreeSet::new();\n    let mut values = [3, 1, 2, 9, 5];")],
        expected: Live,
    },
    Edit {
        what: "only a comment",
        places: &[(TEXT, "/// Who is here.", "/// Who is there.\n/// And where.")],
        expected: Nothing,
    },
    Edit {
        what: "only a test",
        places: &[(TEXT, "super::title(\"a\"), \"A\"", "super::title(\"b\"), \"B\"")],
        expected: Nothing,
    },
    Edit {
        what: "a format",
        places: &[(TEXT, "format!(\"hello {name}\")", "format!(\"{name:*^9}, hello\")")],
        expected: Live,
    },
    Edit {
        what: "a file that is included",
        places: &[("app/src/motd.txt", "be kind", "be very kind to each other")],
        expected: Live,
    },
    Edit {
        what: "a new function in another unit",
        places: &[
            (TEXT, "fn title(text: &str) -> String {\n", "mod helping {\n    pub mod more {\n        pub fn loud(text: &str) -> String {\n            let mut all: Vec<String> = text.split('t').map(str::to_uppercase).collect();\n            all.sort_by_key(|one| std::cmp::Reverse(one.len()));\n            all.join(\"~\")\n        }\n    }\n}\n\nfn title(text: &str) -> String {\n    let text = &helping::more::loud(text);\n"),
        ],
        expected: Live,
    },
    Edit {
        what: "the last use of a generic",
        places: &[(TEXT, "        said(\"pairs\", shop::pairs(&[1, 2, 3])),\n", "        said(\"pairs\", \"none\"),\n")],
        expected: Live,
    },
    Edit {
        what: "a generic that nobody uses",
        places: &[(SHOP, "all.windows(2).map(|two| (two[0].clone(), two[1].clone()))", "all.windows(2).map(|two| (two[1].clone(), two[0].clone()))")],
        expected: Same,
    },
    Edit {
        what: "a generic that is used again",
        places: &[(TEXT, "        said(\"pairs\", \"none\"),\n", "        said(\"pairs\", shop::pairs(&[1, 2, 3])),\n")],
        expected: Live,
    },
    Edit {
        what: "a default method of a trait of a library",
        places: &[(SHOP, "self.price() * 2", "self.price() * 3")],
        expected: Live,
    },
    Edit {
        what: "a bound of a library's generic",
        places: &[(SHOP, "pub fn total<T: Priced>(all: &[T]) -> u32 {\n    all.iter()", "pub fn total<T>(all: &[T]) -> u32\nwhere\n    T: Priced + Clone,\n{\n    all.to_vec().iter().rev()")],
        expected: Same,
    },
    Edit {
        what: "a variant of a public enum",
        places: &[(SHOP, "    Small,\n", "    Tiny,\n    Small,\n"), (SHOP, "    Kind::Large\n}", "    Kind::Tiny\n}")],
        expected: Refused("Kind"),
    },
    Edit {
        what: "another signature of a library's function",
        places: &[
            (SHOP, "pub fn slug(text: &str) -> String {\n", "pub fn slug(text: &str, between: char) -> String {\n"),
            (SHOP, "else { '-' }", "else { between }"),
            (TEXT, "shop::slug(\"A b-C\")", "shop::slug(\"A b-C\", '_')"),
        ],
        expected: Live,
    },
    Edit {
        what: "captures of a stored closure",
        places: &[(CALC, "Box::new(move |n| n * by)", "Box::new(move |n| n * by + extra)"), (CALC, "let by = 10;", "let by = 10;\n        let extra = 1;")],
        expected: Versioned("captures changed"),
    },
    Edit {
        what: "a field of a type that lives",
        places: &[(MODEL, "    pub pieces: u32,\n}", "    pub pieces: u32,\n    pub note: u8,\n}"), (MODEL, "vec![Order { id: 1, pieces: 4 }, Order { id: 2, pieces: 6 }]", "vec![Order { id: 1, pieces: 4, note: 0 }]")],
        expected: Refused("Order"),
    },
    Edit {
        what: "a lazy initialiser that has run",
        places: &[(CALC, "(\"two\", 2)", "(\"two\", 22)")],
        expected: Kept,
    },
    Edit {
        what: "what a dependency has and the program never used",
        places: &[
            (
                HANDS,
                "async fn attempt(left: u32)",
                "async fn together() -> String {\n    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(2));\n    let mut tasks = tokio::task::JoinSet::new();\n    for n in 0..3 {\n        let gate = gate.clone();\n        tasks.spawn(async move { gate.acquire().await.map(|_| n).unwrap() });\n    }\n    let mut all = tasks.join_all().await;\n    all.sort();\n    let local = tokio::task::LocalSet::new();\n    let one = local.run_until(async { tokio::task::spawn_local(async { 5 }).await.unwrap() }).await;\n    let mut ticks = tokio::time::interval(Duration::from_millis(1));\n    ticks.tick().await;\n    tokio::task_local! { static OWN: u32; }\n    let own = OWN.scope(8, async { OWN.get() }).await;\n    format!(\"{all:?} {one} {own}\")\n}\n\nasync fn attempt(left: u32)",
            ),
            (
                HANDS,
                "said(\"both\", both().await),",
                "said(\"both\", both().await + &together().await),",
            ),
        ],
        expected: Live,
    },
    Edit {
        what: "what the standard library has and the program never used",
        places: &[
            (
                CALC,
                "fn seconds() -> u64 {\n",
                "fn seconds() -> u64 {\n    thread_local! {\n        static SEEN: std::cell::RefCell<std::collections::BTreeSet<String>> = const { std::cell::RefCell::new(std::collections::BTreeSet::new()) };\n    }\n    let (tell, told) = std::sync::mpsc::channel();\n    let sum: usize = std::thread::scope(|scope| {\n        let all: Vec<_> = (0..3).map(|n| {\n            let tell = tell.clone();\n            scope.spawn(move || {\n                SEEN.with_borrow_mut(|seen| seen.insert(format!(\"{n:?}\")));\n                tell.send(n).unwrap();\n                SEEN.with_borrow(|seen| seen.len())\n            })\n        }).collect();\n        all.into_iter().map(|one| one.join().unwrap()).sum()\n    });\n    drop(tell);\n    let more: u64 = told.iter().sum();\n    let path = std::env::temp_dir().join(\"..\").components().count() as u64;\n    if std::env::args().count() == 1 {\n        return more * 100 + sum as u64 + path - path;\n    }\n",
            ),
        ],
        expected: Live,
    },
];
