package pulp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// A mutation drops a clause of a statement, or bends it. The machine must find fault with it.
type mutation struct {
	name      string
	statement string // its name in pulp.TaskStatements; "" means each that has old in it
	old, new  string
}

// apply returns what becomes of a statement.
func (m mutation) apply(text string) string {
	if m.statement != "" && text != pulp.TaskStatements()[m.statement] {
		return text
	}
	return strings.ReplaceAll(text, m.old, m.new)
}

// chances is how many games a mutation has to survive to be said to be missed.
const chances = 2000

// knownGames are games that found what few games find. The search for it begins there, and is as long as any: when the
// machine has learned another step, a game may find nothing any more. The test's log says which did instead.
var knownGames = map[string]uint64{
	"the end lets old attempts that were canceled through": 1339,
	"unique does not see who is canceled":                  898,
	"unique does not see who runs":                         153,
	"unique sees other types":                              120,
	"a rollback leaves the list for empty":                 1902,
	"one task is released twice":                           898,
	"nobody looks who waits for several":                   824,
	"the end of others is forgotten":                       685,
}

func TestEachMutationChangesAStatementThatStaysOne(t *testing.T) {
	t.Parallel()
	h := openTasks(t, t.TempDir(), pulp.Config{Workers: -1})
	seen := map[string]bool{}
	for _, m := range append(slices.Clone(sqlMutations), workerMutations...) {
		require.False(t, seen[m.name], m.name)
		seen[m.name] = true
		changed := 0
		for name, text := range pulp.TaskStatements() {
			if other := m.apply(text); other != text {
				changed++
				_, err := h.DB().Reader().DB.Exec("EXPLAIN "+other, make([]any, parameters(text))...)
				require.NoError(t, err, "%s: %s", m.name, name)
			}
		}
		require.NotZero(t, changed, m.name)
	}
	for _, m := range codeMutations {
		text, err := os.ReadFile(m.file)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), m.old), m.name)
	}
}

// parameters is how many arguments a statement takes.
func parameters(text string) int {
	n := 0
	for _, m := range regexp.MustCompile(`\?(\d+)`).FindAllStringSubmatch(text, -1) {
		if k, err := strconv.Atoi(m[1]); err == nil {
			n = max(n, k)
		}
	}
	if n == 0 {
		n = strings.Count(text, "?")
	}
	return n
}

func TestModelFindsEachDroppedClause(t *testing.T) {
	t.Parallel()
	list := sqlMutations
	if !pulptest.Heavy() {
		list = nil
		for i, m := range sqlMutations { // a sample, so that the way of it is under test
			if i%12 == 0 && !testing.Short() {
				list = append(list, m)
			}
		}
	}
	for _, mutant := range list {
		t.Run(mutant.name, func(t *testing.T) {
			t.Parallel()
			m := newRuleMachine(t, func(db pulp.Database) pulp.Database { return rewrite(t, db, mutant.apply) })
			found, seed := "", knownGames[mutant.name]
			for last := seed + chances; seed < last && found == ""; seed++ {
				found = m.suspect(seed, 40)
			}
			require.NotEmpty(t, found, "the model did not notice")
			t.Logf("game %d: %s", seed-1, found)
		})
	}
}

// A codeMutation drops a step of the code around the statements; MUTATED in it says whether it is
// the one at work.
type codeMutation struct{ test, name, file, old, new string }

// The tests that must find a codeMutation.
const (
	oneWorker  = "TestModelHoldsForManyGames"
	twoWorkers = "TestWorkersDoWhatTheyShouldAtOnce"
)

// mutantAtWork names the mutation for a program that has them all.
const mutantAtWork = "PULP_TEST_MUTANT"

func TestModelFindsEachDroppedStep(t *testing.T) {
	if !pulptest.Heavy() {
		t.Skip("compiles a program; set PULP_TEST_HEAVY=1")
	}
	t.Parallel()
	program := filepath.Join(t.TempDir(), "mutants")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay(t), "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	run := func(m codeMutation) (string, error) {
		cmd := exec.Command(program, "-test.run=^"+m.test+"$", "-test.timeout=200s")
		cmd.Env = append(os.Environ(), gamesToPlay+"="+strconv.Itoa(chances), mutantAtWork+"="+m.name)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, m := range codeMutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			said, err := run(m)
			require.Error(t, err, "the model did not notice")
			require.True(t, strings.Contains(said, "--- FAIL"), "it did not fail, but broke off")
			t.Logf("%s", said)
		})
	}
}

// machines are the files of tests that a program with two machines is made of. It takes a twentieth of the time that all
// take to compile.
var machines = regexp.MustCompile(`^task_((cancel|drive|host|job|model.*|mutations?|recover|rewrite|small|worker.*)_)?test\.go$|export_test\.go$`)

// overlay makes the file that has a compiler see the code with all mutations in it, and of the tests the machines.
func overlay(t *testing.T) string {
	dir := t.TempDir()
	here, err := os.Getwd()
	require.NoError(t, err)
	replace := map[string]string{}
	tests, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, file := range tests {
		if !machines.MatchString(file) {
			replace[filepath.Join(here, file)] = "" // is not there
		}
	}
	put := func(file, text string) {
		replace[filepath.Join(here, file)] = filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	put("mutated.go", fmt.Sprintf("package pulp\n\nimport \"os\"\n\nfunc mutated(name string) bool { return os.Getenv(%q) == name }\n", mutantAtWork))
	texts := map[string]string{}
	for _, m := range codeMutations {
		if texts[m.file] == "" {
			b, err := os.ReadFile(m.file)
			require.NoError(t, err)
			texts[m.file] = string(b)
		}
		texts[m.file] = strings.Replace(texts[m.file], m.old, strings.ReplaceAll(m.new, "MUTATED", fmt.Sprintf("mutated(%q)", m.name)), 1)
	}
	for file, text := range texts {
		put(file, text)
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, b, 0o600))
	return list
}

func TestWorkersFindEachDroppedClause(t *testing.T) {
	t.Parallel()
	for _, mutant := range workerMutations {
		t.Run(mutant.name, func(t *testing.T) {
			t.Parallel()
			found := suspectWork(t, chances, func(db pulp.Database) pulp.Database { return rewrite(t, db, mutant.apply) })
			require.NotEmpty(t, found, "the model did not notice")
		})
	}
}
