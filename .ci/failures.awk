# Reads the output of go test -v and prints the messages of failing tests: the lines of t.Error,
# t.Fatal and t.Log, panics, data races and compile errors. It leaves out the output of servers and
# loggers, except for the last lines of each server.
BEGIN { FIRST = 10; LAST = 30; WORDS = 3 } # lines for each test, and for each server

function say(text) { said[test, ++n[test]] = text }

function tell(test,  i) {
	for (i = 1; i <= n[test]; i++) {
		if (i <= FIRST || i > n[test] - LAST) print said[test, i]
		else if (i == FIRST + 1) print "        … " n[test] - FIRST - LAST " lines omitted"
	}
	printf "%s", quoted[test]
}

function forget(test,  i) {
	for (i = 1; i <= n[test]; i++) delete said[test, i]
	delete n[test]
	delete quoted[test]
}

# quote prints the last lines of a server. The test has logged all of its output.
function quote(  i) {
	if (server == "") return
	quoted[test] = quoted[test] server "\n"
	for (i = words > WORDS ? words - WORDS + 1 : 1; i <= words; i++) quoted[test] = quoted[test] word[i % WORDS] "\n"
	server = ""
}

server != "" && /^        / { word[++words % WORDS] = $0; next }
{ quote() }

/^=== (RUN|CONT|NAME|PAUSE) / { test = $3; talking = 0; if (!(test in n)) n[test] = 0; next }

/^ *--- (FAIL|PASS|SKIP): / {
	if ($2 == "FAIL:") { print; tell($3) }
	forget($3)
	talking = 0
	next
}

/^ +process\.go:[0-9]+: output of / { server = $0; words = 0; talking = 0; next }

# A message begins with its file. Its other lines have more indentation.
/^ +[A-Za-z0-9_.-]+\.go:[0-9]+: / { talking = 1; say($0); next }
talking && /^        / { say($0); next }
{ talking = 0 }

# These lines end the process or belong to no test.
/^(panic:|fatal error:|WARNING: DATA RACE|leaktest:|goleak:)/ { print; rest = 30; next }
/^(FAIL|# [a-z0-9.]+\/)/ || /^[A-Za-z0-9_\/.-]+\.go:[0-9]+:[0-9]+: / { print; rest = 0; next }
rest > 0 { rest--; print }

END {
	for (test in n) if (n[test] > 0) { print "--- unfinished: " test; tell(test) }
}
