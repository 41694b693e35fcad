package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
)

// answered is what a handler of the host's own makes of an error.
func answered(ctx context.Context, err error) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	httpapi.Error(w, httptest.NewRequestWithContext(ctx, "GET", "/own/", nil), err)
	return w
}

func TestErrorAnswersAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code int
		body string
	}{
		{fmt.Errorf("find: %w", pulp.ErrNotFound), 404, `{"detail":"Not found."}`},
		{pulp.ErrConflict, 409, `{"detail":"The state of the object does not allow this."}`},
		{pulp.ErrDenied, 403, `{"detail":"You do not have permission to perform this action."}`},
		{pulp.ErrUnauthenticated, 401, `{"detail":"Authentication credentials were not provided."}`},
		{pulp.ErrClosed, 503, `{"detail":"The server is shutting down."}`},
		{fmt.Errorf("save: %w", pulp.FieldErrors{"name": {"Too long."}}), 400, `{"name":["Too long."]}`},
		{pulp.Refuse("No URL match."), 400, `["No URL match."]`},
		{&http.MaxBytesError{Limit: 7}, 413, `{"detail":"The request is larger than 7 bytes."}`},
	} {
		w := answered(t.Context(), c.err)
		require.Equal(t, c.code, w.Code)
		require.JSONEq(t, c.body, w.Body.String())
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Equal(t, c.code == 401, w.Header().Get("WWW-Authenticate") != "")
	}
}

func TestErrorOfNoKindIsLoggedAndToldToNobody(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	db, err := sqlite.Open(t.TempDir(), sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	app, err := pulp.Open(t.Context(), db, pulp.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	w := answered(app.With(t.Context()), errors.New("hunter2"))
	require.Equal(t, 500, w.Code)
	require.JSONEq(t, `{"detail":"Internal server error."}`, w.Body.String())
	require.Contains(t, log.String(), "hunter2")

	gone, leave := context.WithCancel(t.Context())
	leave()
	require.Equal(t, 503, answered(gone, context.Canceled).Code)
}
