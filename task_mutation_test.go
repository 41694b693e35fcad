package pulp_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// games is how many times the machine plays with a mutation before it is said to have missed it.
const games = 2000

func TestEachMutationChangesAStatementThatStaysOne(t *testing.T) {
	t.Parallel()
	h := openTasks(t, t.TempDir(), pulp.Config{Workers: -1})
	seen := map[string]bool{}
	for _, m := range sqlMutations {
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
			found := ""
			for seed := uint64(0); seed < games && found == ""; seed++ {
				found = m.suspect(seed, 40)
			}
			require.NotEmpty(t, found, "the model did not notice")
			t.Log(found)
		})
	}
}

// A codeMutation drops a step of the code around the statements.
type codeMutation struct{ name, file, old, new string }

func TestModelFindsEachDroppedStep(t *testing.T) {
	if !pulptest.Heavy() {
		t.Skip("compiles a program for each; set PULP_TEST_HEAVY=1")
	}
	t.Parallel()
	for _, m := range codeMutations {
		t.Run(m.name, func(t *testing.T) {
			out, err := mutate(t, m)
			require.Error(t, err, "the model did not notice")
			require.Contains(t, out, "--- FAIL", out)
		})
	}
}

// mutate runs the machine in a program with one piece of the code replaced.
func mutate(t *testing.T, m codeMutation) (string, error) {
	text, err := os.ReadFile(m.file)
	require.NoError(t, err)
	dir := t.TempDir()
	changed := filepath.Join(dir, m.file)
	require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600))
	original, err := filepath.Abs(m.file)
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	cmd := exec.Command("go", "test", "-overlay", list, "-count=1", "-vet=off", "-timeout=120s", "-run=^TestModelHoldsForManyGames$", ".")
	cmd.Env = append(os.Environ(), gamesToPlay+"="+strconv.Itoa(games))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
