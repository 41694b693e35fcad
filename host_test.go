package pulp_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/gopulp/pulp"
	"github.com/stretchr/testify/require"
)

func TestAnyStructOfAHostHasAllOperations(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	number := uuid.NewString()
	for _, c := range []struct{ path, body, key, change, changed string }{
		{"shop/orders/", `{"name":"first"}`, "", `{"amount":7}`, "amount"},
		{"shop/buyers/", `{"email":"a@example.org"}`, "1", `{"email":"b@example.org"}`, "email"},
		{"shop/coupons/", `{"code":"SAVE 10%é","percent":10}`, "SAVE%2010%25%C3%A9", `{"percent":20}`, "percent"},
		{"shop/parcels/", `{"number":"` + number + `"}`, number, `{"weight":9}`, "weight"},
	} {
		href := s.make(t, c.path, c.body)
		require.True(t, strings.HasPrefix(href, shopAPI+c.path), href)
		if c.key != "" {
			require.Equal(t, shopAPI+c.path+c.key+"/", href)
		}
		read := s.ask(t, "GET", href, "")
		require.Equal(t, http.StatusOK, read.code, href)
		require.Equal(t, href, read.field(t, "pulp_href"))
		_, named := read.object(t)["prn"]
		require.Equal(t, c.key == "", named, "only what has an ID has a PRN: %s", read.body)

		patched := s.ask(t, "PATCH", href, c.change)
		require.Equal(t, http.StatusOK, patched.code, patched.body)
		require.NotEqual(t, read.field(t, c.changed), patched.field(t, c.changed))
		require.Equal(t, patched.body, s.ask(t, "GET", href, "").body)

		require.Equal(t, []string{href}, s.names(t, c.path+"?pulp_href__in="+strings.ReplaceAll(href, "%", "%25"), "pulp_href"))
		require.Equal(t, http.StatusNoContent, s.ask(t, "DELETE", href, "").code)
		require.Equal(t, http.StatusNotFound, s.ask(t, "GET", href, "").code)
		require.Equal(t, http.StatusNotFound, s.ask(t, "GET", shopAPI+c.path+"nonsense/", "").code)
		require.Equal(t, "0", s.ask(t, "GET", c.path, "").field(t, "count"))
	}
}

func TestTwoNamesOfOneKeyAreNotTheSameHref(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.make(t, "shop/buyers/", `{"email":"a@example.org"}`)
	for _, key := range []string{"01", "+1", "1.0", "0x1", "%00"} {
		require.Equal(t, http.StatusNotFound, s.ask(t, "GET", "shop/buyers/"+key+"/", "").code, key)
		require.Equal(t, http.StatusNotFound, s.ask(t, "GET", "shop/coupons/"+key+"/", "").code, key)
	}
}

func TestKeyThatNoPathCanEndInIsRefused(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for _, code := range []string{"a/b", ".", ".."} {
		r := s.ask(t, "POST", "shop/coupons/", `{"code":"`+code+`","percent":1}`)
		require.Equal(t, http.StatusBadRequest, r.code, code)
		require.Contains(t, r.object(t), "code")
	}
}

func TestTasksWriteAnyStructOfAHost(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for _, c := range []struct{ path, body, change, field string }{
		{"shop/late-orders/", `{"name":"late"}`, `{"amount":7}`, "amount"},
		{"shop/late-buyers/", `{"email":"a@example.org"}`, `{"email":"b@example.org"}`, "email"},
	} {
		made := s.end(t, s.ask(t, "POST", c.path, c.body))
		require.Equal(t, "completed", made["state"], made)
		require.Len(t, made["created_resources"], 1)
		href := made["created_resources"].([]any)[0].(string)
		require.Equal(t, made["result"].(map[string]any)["pulp_href"], href)
		before := s.ask(t, "GET", href, "")
		require.Equal(t, http.StatusOK, before.code, href)

		changed := s.end(t, s.ask(t, "PATCH", href, c.change))
		require.Equal(t, "completed", changed["state"], changed)
		require.NotEmpty(t, changed["reserved_resources_record"].([]any)[0], "a row is written by one task at a time")
		after := s.ask(t, "GET", href, "")
		require.NotEqual(t, before.field(t, c.field), after.field(t, c.field))
		require.Equal(t, http.StatusOK, s.ask(t, "PATCH", href, c.change).code, "nothing changes")

		gone := s.end(t, s.ask(t, "DELETE", href, ""))
		require.Equal(t, "completed", gone["state"], gone)
		require.Equal(t, http.StatusNotFound, s.ask(t, "GET", href, "").code)
	}
}

func TestActionTakesAndGivesWhatItsTypesSay(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	buyer := s.make(t, "shop/buyers/", `{"email":"a@example.org"}`)
	href := s.make(t, "shop/orders/", `{"name":"x","buyer":"`+buyer+`"}`)
	require.JSONEq(t, `{"word":["This field is required."],"depth":["A valid integer is required."]}`, s.ask(t, "POST", href+"probe/", `{"depth":"deep"}`).body)
	require.JSONEq(t, `{"depth":["Ensure this value is greater than or equal to 1."]}`, s.ask(t, "POST", href+"probe/", `{"depth":0,"word":"x"}`).body)
	require.Equal(t, reply{http.StatusOK, `{"depth":3,"text":"x \u003ca\u003e","buyer":"` + buyer + `"}`}, s.ask(t, "POST", href+"probe/", `{"word":"a"}`))
	task := s.end(t, s.ask(t, "POST", href+"probe_later/", `{"word":"ab","depth":2}`))
	require.Equal(t, "abab", task["result"])
	require.Equal(t, href, s.ask(t, "POST", href+"renew/", "").field(t, "pulp_href"))
	require.Equal(t, http.StatusNotFound, s.ask(t, "POST", shopAPI+"shop/orders/"+pulp.NewID().String()+"/probe/", `{"word":"a"}`).code)
}

func TestHooksShareTheTransactionOfTheRow(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	require.Equal(t, http.StatusInternalServerError, s.ask(t, "POST", "shop/orders/", `{"name":"bad","amount":666}`).code)
	require.Zero(t, s.rows(t, "SELECT count(*) FROM shop_order"))
	require.Zero(t, s.rows(t, "SELECT count(*) FROM shop_journal"))

	href := s.make(t, "shop/orders/", `{"name":"good","gift":true}`)
	require.Equal(t, 1, s.rows(t, "SELECT count(*) FROM shop_journal"))
	require.Equal(t, http.StatusInternalServerError, s.ask(t, "PATCH", href, `{"amount":666}`).code)
	require.Equal(t, "1", s.ask(t, "GET", href, "").field(t, "amount"))
	require.Equal(t, http.StatusConflict, s.ask(t, "DELETE", href, "").code)
	require.Equal(t, http.StatusOK, s.ask(t, "PATCH", href, `{"gift":false}`).code)
	require.Equal(t, http.StatusNoContent, s.ask(t, "DELETE", href, "").code)
	require.Equal(t, 1, s.rows(t, "SELECT count(*) FROM shop_journal WHERE line = 'removed good'"))
}

func TestScopeHidesAndAllowDenies(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	hidden := s.make(t, "shop/orders/", `{"name":"secret"}`)
	locked := s.make(t, "shop/orders/", `{"name":"locked"}`)
	require.Equal(t, []string{"locked"}, s.names(t, "shop/orders/", "name"))
	require.Equal(t, http.StatusNotFound, s.ask(t, "GET", hidden, "").code)
	require.Equal(t, http.StatusNotFound, s.ask(t, "DELETE", hidden, "").code)
	require.Equal(t, http.StatusNotFound, s.ask(t, "POST", hidden+"renew/", "").code)
	require.Equal(t, http.StatusOK, s.ask(t, "GET", locked, "").code)
	require.Equal(t, http.StatusForbidden, s.ask(t, "PATCH", locked, `{"amount":2}`).code)
	require.Equal(t, http.StatusForbidden, s.ask(t, "POST", locked+"renew/", "").code)
	require.Equal(t, http.StatusForbidden, s.ask(t, "DELETE", locked, "").code)
}

func TestTwoAppsShareDeclarations(t *testing.T) {
	t.Parallel()
	one, two := openShop(t), openShop(t)
	var wg sync.WaitGroup
	for _, s := range []*shop{one, two} {
		wg.Go(func() {
			for _, name := range []string{"a", "b", "c"} {
				s.ask(t, "POST", "shop/orders/", `{"name":"`+name+`"}`)
			}
		})
	}
	wg.Wait()
	one.make(t, "shop/orders/", `{"name":"only here"}`)
	require.Equal(t, "4", one.ask(t, "GET", "shop/orders/", "").field(t, "count"))
	require.Equal(t, "3", two.ask(t, "GET", "shop/orders/", "").field(t, "count"))
	require.Len(t, two.Operations(), len(one.Operations()))
}

func TestNamedModelOfAHostHasLabels(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	href := s.make(t, "shop/orders/", `{"name":"x","pulp_labels":{"a.b c":"1"}}`)
	require.Equal(t, reply{http.StatusCreated, `{"key":"env","value":"prod"}`}, s.ask(t, "POST", href+"set_label/", `{"key":"env","value":"prod"}`))
	require.Equal(t, []string{href}, s.names(t, "shop/orders/?pulp_label_select=env%3Dprod,a.b%20c%3D1", "pulp_href"))
	require.Equal(t, reply{http.StatusCreated, `{"key":"env","value":"prod"}`}, s.ask(t, "POST", href+"unset_label/", `{"key":"env"}`))
	require.Equal(t, http.StatusBadRequest, s.ask(t, "POST", href+"unset_label/", `{"key":"env"}`).code)
}

func TestNamesOfAHostsPartsAreSensible(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	href := s.make(t, "shop/orders/", `{"name":"x"}`)
	require.Equal(t, "prn:shop.order:"+strings.Split(href, "/")[6], s.ask(t, "GET", href, "").field(t, "prn"))
	ops := map[string]pulp.Operation{}
	for _, o := range s.Operations() {
		ops[o.ID] = o
	}
	require.Equal(t, "{shop_order_href}", ops["shop_orders_read"].Href)
	require.Equal(t, "{shop_order_href}probe/", ops["shop_orders_probe"].Href)
	require.Equal(t, "shop.Order", ops["shop_orders_create"].Body.Name)
	require.Equal(t, "shop.Probe", ops["shop_orders_probe"].Body.Name)
	require.Equal(t, "shop.Report", ops["shop_orders_probe"].Answer.Name)
	require.Equal(t, "shop.Order", ops["shop_orders_renew"].Answer.Name)
	require.Equal(t, "{shop_buyer_href}", ops["shop_buyers_delete"].Href)
	for _, o := range ops["shop_buyers_list"].Query {
		require.NotEqual(t, "prn__in", o.Name)
		require.NotEqual(t, "pulp_id__in", o.Name)
	}
	require.Equal(t, http.StatusOK, s.ask(t, "GET", "docs/api.json", "").code)
	require.NotContains(t, s.log.String(), "not right")
}
