# Reads the output of go test -v and prints what failing tests themselves have said: the
# lines of t.Error, t.Fatal and t.Log, panics, data races and compile errors. What servers
# and loggers print meanwhile is left out, except for the last words of a server.
BEGIN { FIRST = 10; LAST = 30; WORDS = 3 } # lines of each test, and of each server

function say(text) { said[test, ++n[test]] = text }

function tell(test,  i) {
	for (i = 1; i <= n[test]; i++) {
		if (i <= FIRST || i > n[test] - LAST) print said[test, i]
		else if (i == FIRST + 1) print "        … " n[test] - FIRST - LAST " lines are left out"
	}
	printf "%s", quoted[test]
}

function forget(test,  i) {
	for (i = 1; i <= n[test]; i++) delete said[test, i]
	delete n[test]
	delete quoted[test]
}

# quote says the last words of a server, whose whole output a test has logged.
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

# A message begins with its file, and its other lines are indented once more.
/^ +[A-Za-z0-9_.-]+\.go:[0-9]+: / { talking = 1; say($0); next }
talking && /^        / { say($0); next }
{ talking = 0 }

# These end the process or belong to no test.
/^(panic:|fatal error:|WARNING: DATA RACE|leaktest:|goleak:)/ { print; rest = 30; next }
/^(FAIL|# [a-z0-9.]+\/)/ || /^[A-Za-z0-9_\/.-]+\.go:[0-9]+:[0-9]+: / { print; rest = 0; next }
rest > 0 { rest--; print }

END {
	for (test in n) if (n[test] > 0) { print "--- not ended: " test; tell(test) }
}
