package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/stretchr/testify/require"
)

const loginPath = "/pulp/api/v3/login/"

// whole is a Handler with all operations of an App.
func whole(t *testing.T, opts ...httpapi.Option) *site {
	t.Helper()
	s := newSite(t)
	return &site{httpapi.Handler(s.app, opts...), s.app, s.log}
}

// cookieOf is the only cookie of an answer.
func cookieOf(t *testing.T, w *httptest.ResponseRecorder) *http.Cookie {
	t.Helper()
	all := w.Result().Cookies()
	require.Len(t, all, 1, "%d %s", w.Code, w.Body)
	return all[0]
}

func TestLoginOpensASessionAndLogoutClosesIt(t *testing.T) {
	t.Parallel()
	s := whole(t)
	w := s.do("POST", loginPath, "")
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	require.JSONEq(t, `{"pulp_href":"/pulp/api/v3/users/1/","prn":"prn:auth.user:1","username":"admin"}`, w.Body.String())
	c := cookieOf(t, w)
	require.Equal(t, "sessionid", c.Name)
	require.True(t, c.HttpOnly)
	require.False(t, c.Secure, "the connection is plain")
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, "/pulp/", c.Path)

	with := []string{"Authorization", "", "Cookie", "sessionid=" + c.Value}
	require.Equal(t, http.StatusOK, s.do("GET", loginPath, "", with...).Code)
	require.Equal(t, http.StatusOK, s.do("GET", "/pulp/api/v3/users/", "", with...).Code)
	again := cookieOf(t, s.do("POST", loginPath, "", with...))
	require.NotEqual(t, c.Value, again.Value)
	require.Equal(t, http.StatusUnauthorized, s.do("GET", loginPath, "", with...).Code, "who logs in again has one session")

	with[3] = "sessionid=" + again.Value
	w = s.do("DELETE", loginPath, "", with...)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Negative(t, cookieOf(t, w).MaxAge)
	require.Equal(t, http.StatusUnauthorized, s.do("GET", loginPath, "", with...).Code)
}

func TestLoginNeedsCredentials(t *testing.T) {
	t.Parallel()
	s := whole(t)
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		w := s.do(method, loginPath, "{}", "Authorization", "", "Content-Type", "application/json")
		require.Equal(t, http.StatusUnauthorized, w.Code, method)
		require.Empty(t, w.Result().Cookies())
		require.Equal(t, `Basic realm="api"`, w.Header().Get("WWW-Authenticate"))
	}
	for _, cookie := range []string{"sessionid=", "sessionid=x", "sessionid=" + strings.Repeat("a", 5000), "other=x"} {
		require.Equal(t, http.StatusUnauthorized, s.do("GET", loginPath, "", "Authorization", "", "Cookie", cookie).Code, cookie)
	}
	require.Equal(t, http.StatusOK, s.do("GET", "/pulp/api/v3/status/", "", "Authorization", "", "Cookie", "sessionid=stale").Code)
	require.Empty(t, s.log.String())
}

func TestSessionEndsWithThePassword(t *testing.T) {
	t.Parallel()
	s := whole(t)
	with := []string{"Authorization", "", "Cookie", "sessionid=" + cookieOf(t, s.do("POST", loginPath, "")).Value, "Content-Type", "application/json"}
	w := s.do("PATCH", loginPath, `{"old_password":"wrong","new_password":"Looking-Glass"}`, with...)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.JSONEq(t, `{"old_password":["This is not the present password."]}`, w.Body.String())
	w = s.do("PATCH", loginPath, `{"old_password":"secret","new_password":"12345678"}`, with...)
	require.JSONEq(t, `{"new_password":["This password is too common.","This password is entirely numeric."]}`, w.Body.String())
	require.Equal(t, http.StatusOK, s.do("GET", loginPath, "", with...).Code)
	w = s.do("PATCH", loginPath, `{"old_password":"secret","new_password":"Looking-Glass","first_name":"Ada"}`, with...)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.JSONEq(t, `{"pulp_href":"/pulp/api/v3/users/1/","prn":"prn:auth.user:1","username":"admin","first_name":"Ada","last_name":"","email":""}`, w.Body.String())
	require.Equal(t, http.StatusUnauthorized, s.do("GET", loginPath, "", with...).Code)
	require.Equal(t, http.StatusUnauthorized, s.do("GET", loginPath, "").Code, "the old password")
	require.NotContains(t, s.log.String(), "Looking-Glass")
}

func TestCookieIsForTLSAloneWhereThereIsTLS(t *testing.T) {
	t.Parallel()
	s := whole(t, httpapi.TrustProxies(netip.MustParsePrefix("192.0.2.0/24")))
	require.True(t, cookieOf(t, s.do("POST", loginPath, "", "X-Forwarded-Proto", "https")).Secure)
	s.Handler = http.StripPrefix("/mirror", s.Handler)
	require.Equal(t, "/mirror/pulp/", cookieOf(t, s.do("POST", "/mirror"+loginPath, "")).Path)
}

func TestSessionIsNoUseToOtherSites(t *testing.T) {
	t.Parallel()
	s := whole(t)
	with := []string{"Authorization", "", "Cookie", "sessionid=" + cookieOf(t, s.do("POST", loginPath, "")).Value}
	for _, header := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		w := s.do("DELETE", loginPath, "", append(header, with...)...)
		require.Equal(t, http.StatusForbidden, w.Code, header)
	}
	require.Equal(t, http.StatusOK, s.do("GET", loginPath, "", with...).Code)
}

func TestHostsBringTheirOwnAuthorizer(t *testing.T) {
	t.Parallel()
	var asked []string
	header := func(r *http.Request) (pulp.Caller, error) { return pulp.Caller{Username: r.Header.Get("X-User")}, nil }
	s := newSite(t)
	s = s.with(httpapi.Authenticators(header), httpapi.Authorize(func(ctx context.Context, op *pulp.Operation, vars map[string]string) error {
		asked = append(asked, pulp.CallerOf(ctx).Username+" "+op.ID+" "+vars["pk"])
		switch {
		case op.Method == "GET":
			return nil
		case vars["pk"] == "8":
			return pulp.ErrNotFound
		}
		return pulp.ErrDenied
	}))
	const to = "/pulp/api/v3/books/shop/"
	require.Equal(t, http.StatusOK, s.do("GET", to+"7/", "", "X-User", "eve").Code)
	require.Equal(t, http.StatusForbidden, s.do("DELETE", to+"7/", "", "X-User", "eve").Code)
	require.Equal(t, http.StatusNotFound, s.do("DELETE", to+"8/", "", "X-User", "eve").Code)
	require.Equal(t, []string{"eve books_shop_read 7", "eve books_shop_delete 7", "eve books_shop_delete 8"}, asked)
	require.Equal(t, http.StatusUnauthorized, s.do("GET", to+"7/", "").Code)
	require.Equal(t, http.StatusOK, s.do("GET", "/pulp/api/v3/open/", "").Code)
	require.Len(t, asked, 3, "nobody asks where no login is needed, or of nobody")
}

func TestBodyOfWhoMayNotIsNotRead(t *testing.T) {
	t.Parallel()
	s := whole(t)
	for _, auth := range []string{"", "Basic YWRtaW46d3Jvbmc="} {
		body := &untouchable{}
		r := httptest.NewRequest("POST", "/pulp/api/v3/artifacts/", body)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.False(t, body.touched)
	}
	_, err := s.app.DB().Writer().DB.ExecContext(t.Context(), "UPDATE account SET is_superuser = 0")
	require.NoError(t, err)
	body := &untouchable{}
	r := httptest.NewRequest("POST", "/pulp/api/v3/artifacts/", body)
	r.SetBasicAuth("admin", "secret")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.False(t, body.touched)
}

type untouchable struct{ touched bool }

func (u *untouchable) Read([]byte) (int, error) {
	u.touched = true
	return 0, http.ErrBodyNotAllowed
}
