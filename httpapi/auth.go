package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"github.com/gopulp/pulp"
)

// An Authenticator finds out who makes a request. It returns
//
//   - the caller, with an AccountID or a Username, if the credentials of its sort are right:
//     [pulp.App.Caller] is somebody with an account, whose roles count; somebody who only has a
//     Username has no roles, and may do nothing unless it is a Superuser or an [Authorizer] says so,
//   - the zero Caller if there are none of its sort: then the next Authenticator is asked,
//   - an error that is [pulp.ErrUnauthenticated] if they are wrong: the request is refused,
//     with the sentence of the error's method Detail() string if it has one,
//   - [pulp.ErrNotFound], as [pulp.App.Caller] does, if there is no such user: the same to clients,
//   - any other error if it could not find out.
//
// It may be called by any number of goroutines.
type Authenticator func(r *http.Request) (pulp.Caller, error)

// Basic knows the accounts of app by HTTP Basic authentication.
func Basic(app *pulp.App) Authenticator {
	return func(r *http.Request) (pulp.Caller, error) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Basic") {
			return pulp.Caller{}, nil
		}
		username, password, ok := r.BasicAuth()
		if !ok {
			return pulp.Caller{}, refuse(http.StatusUnauthorized, "Invalid basic header. Credentials not correctly base64 encoded.")
		}
		return app.Authenticate(r.Context(), text(username), text(password))
	}
}

// text decodes Latin-1, in which many clients send what is not ASCII, unless s is UTF-8.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// chain asks several Authenticators one after another.
func chain(all []Authenticator) Authenticator {
	return func(r *http.Request) (pulp.Caller, error) {
		for _, a := range all {
			caller, err := a(r)
			if errors.Is(err, pulp.ErrNotFound) { // of a user, not of what is asked for
				return pulp.Caller{}, refuse(http.StatusUnauthorized, "User inactive or deleted.")
			}
			if err != nil || known(caller) {
				return caller, err
			}
		}
		return pulp.Caller{}, nil
	}
}

func known(c pulp.Caller) bool { return c.AccountID != nil || c.Username != "" }

// An Authorizer decides whether the caller of ctx ([pulp.CallerOf]) may call an operation on what
// vars, the variables of its path, name. It returns nil if so, else [pulp.ErrDenied], or
// [pulp.ErrNotFound] to hide that there is such an object. It is asked before the body is read, of
// callers who are known; others are let in only where no login is needed. Any number of goroutines
// may call it.
type Authorizer func(ctx context.Context, op *pulp.Operation, vars map[string]string) error

// identify returns r on behalf of who makes it, if they may call an operation at all. Wrong
// credentials are refused even where none are needed.
func (s *server) identify(r *http.Request, op *pulp.Operation) (*http.Request, error) {
	caller, err := s.logins(r)
	if err != nil {
		return nil, err
	}
	r = onBehalf(r, caller)
	switch {
	case op.Anonymous:
		return r, nil
	case s.authorize == nil:
		ctx := s.app.Restrict(r.Context())
		return r.WithContext(ctx), s.app.Admit(ctx, op, mux.Vars(r))
	case !known(caller):
		return nil, pulp.ErrUnauthenticated
	}
	return r, s.authorize(r.Context(), op, mux.Vars(r))
}

func onBehalf(r *http.Request, caller pulp.Caller) *http.Request {
	ctx := r.Context()
	caller.CorrelationID = pulp.CallerOf(ctx).CorrelationID
	return r.WithContext(pulp.WithCaller(ctx, caller))
}

// recognize is identify for content, when a guard or a route asks who it is: who cannot be identified is nobody, and
// what nobody may see is for guards to decide.
func (s *server) recognize(r *http.Request) *http.Request {
	return r.WithContext(pulp.WithCallerFunc(r.Context(), func() pulp.Caller {
		nobody := pulp.CallerOf(r.Context())
		caller, err := s.logins(r)
		if err != nil {
			s.judge(r, err) // for the operator, should it be a fault of ours
			return nobody
		}
		caller.CorrelationID = nobody.CorrelationID
		return caller
	}))
}

// challenge asks for credentials. Scripts in pages get a name that no browser knows, so that
// it does not open a dialog.
func challenge(w http.ResponseWriter, r *http.Request) {
	scheme := "Basic"
	if r.Header.Get("X-Requested-With") == "XMLHttpRequest" {
		scheme = "xBasic"
	}
	w.Header().Set("WWW-Authenticate", scheme+` realm="api"`)
}
