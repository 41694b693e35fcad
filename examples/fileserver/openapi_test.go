package main_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/certguard"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

// TestDocumentIsValidOpenAPI has a validator that others wrote read the OpenAPI document of all
// plugins, with ordinary paths: those that Pulp's clients want, with whole hrefs as variables, are
// no OpenAPI.
func TestDocumentIsValidOpenAPI(t *testing.T) {
	pulptest.Tool(t, "openapi-spec-validator")
	app := pulptest.New(t, pulptest.Plugins(file.Plugin(), certguard.Plugin()))
	w := httptest.NewRecorder()
	httpapi.Handler(app.App).ServeHTTP(w, httptest.NewRequest("GET", app.APIPath()+"docs/api.json?pk_path=1", nil))
	path := filepath.Join(t.TempDir(), "api.json")
	require.NoError(t, os.WriteFile(path, w.Body.Bytes(), 0o644))
	out, err := exec.Command("openapi-spec-validator", "--schema", "3.1", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
