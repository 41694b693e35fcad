package pulp_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gopulp/pulp"
)

// exampleUser makes a user with a role on everything.
func exampleUser(app *pulp.App, name, role string) pulp.Caller {
	ctx, user := context.Background(), struct {
		Href string `json:"pulp_href"`
	}{}
	err := app.Call(ctx, "POST", "users/", map[string]any{"username": name}, &user)
	if err == nil {
		err = app.Call(ctx, "POST", user.Href+"roles/", map[string]any{"role": role, "content_object": nil}, nil)
	}
	caller, lost := app.Caller(ctx, name)
	if err = errors.Join(err, lost); err != nil {
		panic(err)
	}
	return caller
}

// A handler of the host asks what a caller may do.
func ExampleApp_Can() {
	app, end := exampleApp()
	defer end()
	alice := exampleUser(app, "alice", "core.task_viewer")
	for _, permission := range []string{"core.view_task", "core.delete_task"} {
		ok, err := app.Can(context.Background(), alice, permission, nil)
		fmt.Println(permission, ok, err)
	}
	// Output:
	// core.view_task true <nil>
	// core.delete_task false <nil>
}

// What Go code calls may do everything; restricted, it may do what the caller may.
func ExampleApp_Restrict() {
	app, end := exampleApp()
	defer end()
	ctx := pulp.WithCaller(context.Background(), exampleUser(app, "alice", "core.upload_creator"))
	body := map[string]any{"name": "all", "permissions": []string{"core.add_role"}}
	fmt.Println(errors.Is(app.Call(app.Restrict(ctx), "POST", "roles/", body, nil), pulp.ErrDenied))
	fmt.Println(app.Call(ctx, "POST", "roles/", body, nil))
	// Output:
	// true
	// <nil>
}

// A session stands for the credentials of its caller until it is closed.
func ExampleApp_OpenSession() {
	app, end := exampleApp()
	defer end()
	ctx := context.Background()
	token, _, err := app.OpenSession(pulp.WithCaller(ctx, exampleUser(app, "alice", "core.task_viewer")))
	if err != nil {
		panic(err)
	}
	caller, err := app.Session(ctx, token)
	fmt.Println(caller.Username, err)
	fmt.Println(app.CloseSession(ctx, token))
	_, err = app.Session(ctx, token)
	fmt.Println(errors.Is(err, pulp.ErrUnauthenticated))
	// Output:
	// alice <nil>
	// <nil>
	// true
}

// A view set that lets everybody in who is logged in, and leaves the rest to Allow.
func ExampleAccess() {
	views := &pulp.ViewSet[Buyer]{Path: "shop/buyers"}
	views.Access = pulp.Authenticated
	views.Allow = func(_ context.Context, op pulp.Op, _ *Buyer) error {
		if op == pulp.Delete {
			return pulp.ErrDenied
		}
		return nil
	}
	fmt.Println(views.Path, views.Access == pulp.Authenticated)
	// Output: shop/buyers true
}
