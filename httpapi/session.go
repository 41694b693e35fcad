package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/gopulp/pulp"
)

// sessionCookie is the name that Pulp's clients know.
const sessionCookie = "sessionid"

// Session knows the accounts of app by the cookie that POST login/ sets. No script can read the
// cookie, and no browser sends it along when another site makes it ask; requests that other sites
// make a browser send are refused anyhow, see [CrossOrigin]. A cookie that is over is as good as none.
func Session(app *pulp.App) Authenticator {
	return func(r *http.Request) (pulp.Caller, error) {
		c, err := r.Cookie(sessionCookie)
		if err != nil || c.Value == "" {
			return pulp.Caller{}, nil
		}
		caller, err := app.Session(r.Context(), c.Value)
		if code, _ := kind(err); err != nil && code == http.StatusUnauthorized {
			return pulp.Caller{}, nil
		}
		return caller, err
	}
}

// changeSession opens or closes the session of a request that has been answered.
func (s *server) changeSession(w http.ResponseWriter, r *http.Request, change pulp.SessionChange) error {
	if old, err := r.Cookie(sessionCookie); err == nil && old.Value != "" {
		if err := s.app.CloseSession(r.Context(), old.Value); err != nil {
			return err
		}
	}
	token, expires := "", time.Unix(0, 0)
	if change == pulp.OpensSession {
		var err error
		if token, expires, err = s.app.OpenSession(r.Context()); err != nil {
			return err
		}
	}
	c := &http.Cookie{
		Name: sessionCookie, Value: token, Path: escaped(mountPoint(r) + strings.TrimSuffix(s.app.APIPath(), "api/v3/")), Expires: expires,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: strings.HasPrefix(s.origin(r), "https:"),
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
	w.Header().Set("Cache-Control", "no-store")
	return nil
}
