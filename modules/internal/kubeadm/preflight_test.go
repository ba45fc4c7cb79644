package kubeadm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

// verdicts are the names of findings, with a mark on those that are errors;
// values that are only compared are left out.
func verdicts(t *testing.T, of resource.Inspector, m *hosttest.Machine, s resource.Situation) (names []string, text string) {
	t.Helper()
	list, err := of.Inspect(t.Context(), m.Reader(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Unique != "" {
			continue
		}
		name := f.Name
		if f.Error {
			name += "!"
		}
		names = append(names, name)
		text += f.Msg + ". " + f.Advice + "\n"
		if f.Msg == "" || !strings.HasSuffix(f.Advice, ".") {
			t.Errorf("%+v does not say what is wrong and what to do", f)
		}
	}
	return names, text
}

// TestPreflight: what a machine that is to become a node, or is one, is found
// to lack.
func TestPreflight(t *testing.T) {
	config := func(text string) func(*hosttest.Machine) {
		return func(m *hosttest.Machine) { m.Put(configFile, text) }
	}
	v1 := hosttest.Facts(func(f *host.Facts) { f.CgroupVersion = 1 })
	memory := func(mib int) hosttest.Option {
		return hosttest.Facts(func(f *host.Facts) { f.MemoryMiB = mib })
	}
	swapped := func(m *hosttest.Machine) {
		m.Put("/swapfile", "")
		if _, err := host.Exec(t.Context(), m.Host(), "swapon", "/swapfile"); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		options []hosttest.Option
		prepare func(*hosttest.Machine)
		version string // 1.34.4 where it is not said
		address string // the machine's where it is not said
		plane   []string
		worker  []string
		says    []string // of the control plane
	}{
		"nothing":   {},
		"swap":      {prepare: swapped, plane: []string{"swap"}, worker: []string{"swap"}, says: []string{"swap is on (/swapfile)"}},
		"swap used": {prepare: func(m *hosttest.Machine) { swapped(m); m.Put(configFile, "\"failSwapOn\": false\n") }, worker: []string{"swap"}},
		"no memory": {options: []hosttest.Option{memory(1699)}, plane: []string{"memory!"}, worker: []string{"memory"}, says: []string{"1699 MiB", "less than 1700"}},
		"little memory": {
			options: []hosttest.Option{memory(1700)}, plane: []string{"memory"}, worker: []string{"memory"}, says: []string{"2 GB"},
		},
		"enough memory": {options: []hosttest.Option{memory(1950)}}, // what Linux leaves of 2 GiB
		"one cpu":       {options: []hosttest.Option{hosttest.Facts(func(f *host.Facts) { f.CPUs = 1 })}, plane: []string{"cpus!"}},
		"no space":      {options: []hosttest.Option{hosttest.Space(1 << 20)}, plane: []string{"space"}, worker: []string{"space"}, says: []string{"1.0 GiB"}},
		"ports of the kubelet": {
			prepare: func(m *hosttest.Machine) { m.Listen(10250, "kubelet") },
			plane:   []string{"ports!"}, worker: []string{"ports!"}, says: []string{"port 10250 (kubelet)"},
		},
		"ports of a control plane": {
			prepare: func(m *hosttest.Machine) { m.Listen(6443, "haproxy"); m.Listen(2379, "etcd") },
			plane:   []string{"ports!"}, says: []string{"port 2379 (etcd), port 6443 (haproxy)"},
		},
		"a balancer on its port": {
			prepare: func(m *hosttest.Machine) { m.Listen(6443, "haproxy"); config("  bindPort: 6444\n")(m) },
		},
		"the API's own port": {
			prepare: func(m *hosttest.Machine) { m.Listen(6444, "x"); config("  bindPort: 6444\n")(m) }, plane: []string{"ports!"},
		},
		"ports of what was begun": {
			prepare: func(m *hosttest.Machine) { m.Listen(10250, "kubelet"); m.Put(begunFile, "") },
		},
		"another's address": {
			address: "10.0.2.24", plane: []string{"address!"}, worker: []string{"address"}, says: []string{"the address 10.0.2.24 ", "connection.host"},
		},
		"no network": {
			options: []hosttest.Option{hosttest.Facts(func(f *host.Facts) { f.Interfaces = nil })}, plane: []string{"address!"}, worker: []string{"address"},
		},
		"data of etcd": {
			prepare: func(m *hosttest.Machine) { m.Put(etcdData+"/wal/0.wal", "data") }, plane: []string{"data of etcd!"}, says: []string{"never written over"},
		},
		"data of etcd of what was begun": {
			prepare: func(m *hosttest.Machine) { m.Put(etcdData+"/wal/0.wal", "data"); m.Put(begunFile, "") },
		},
		"a name for an address": {address: "node1.example.org"},
		"cgroup version 1":      {options: []hosttest.Option{v1}, plane: []string{"cgroup version"}, worker: []string{"cgroup version"}},
		"cgroup version 1, refused": {
			options: []hosttest.Option{v1}, prepare: config("kind: KubeletConfiguration\n# failCgroupV1: false\n"), version: "1.35.0",
			plane: []string{"cgroup version", "cgroup version!"}, worker: []string{"cgroup version"}, says: []string{"Kubernetes 1.35.0 refuses"},
		},
		"cgroup version 1, configured": {
			options: []hosttest.Option{v1}, prepare: config("failCgroupV1: false\n"), version: "1.35.0",
			worker: []string{"cgroup version"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := hosttest.New(append(c.options, hosttest.Report(t.Errorf))...)
			if c.prepare != nil {
				c.prepare(m)
			}
			want := controlPlaneWanted()
			if c.version != "" {
				want.Version = c.version
			}
			s := resource.Situation{Address: "10.0.2.15", Now: time.Now()}
			if c.address != "" {
				s.Address = c.address
			}
			plane, text := verdicts(t, want, m, s)
			worker, _ := verdicts(t, joinWanted(), m, s)
			if !slices.Equal(plane, c.plane) || !slices.Equal(worker, c.worker) {
				t.Errorf("found of a control plane %q, want %q; of a worker %q, want %q", plane, c.plane, worker, c.worker)
			}
			for _, part := range c.says {
				if !strings.Contains(text, part) {
					t.Errorf("it does not say %q:\n%s", part, text)
				}
			}
			if calls := m.Calls(); c.prepare == nil && calls != 2 {
				t.Errorf("two inspections took %d calls", calls)
			}
		})
	}
}

// TestNodes: of a machine that is a node already, only what threatens it is
// found.
func TestNodes(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	s := resource.Situation{Address: "10.0.2.24", Now: now} // of another machine
	ctx, plane, worker := worlds(t)
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	plane.Listen(6443, "kube-apiserver")
	date := func(in time.Duration) string { return now.Add(in).UTC().Format("2006-01-02 15:04 MST") }
	const pki = "/etc/kubernetes/pki/"
	for name, c := range map[string]struct {
		ends   map[string]time.Duration // by file, from now
		plane  []string
		worker []string
		says   string
	}{
		"fresh": {},
		"month": {ends: map[string]time.Duration{pki + "apiserver.crt": 31 * day, kubeletCert: 31 * day, caFile: 31 * day, adminFile: 31 * day}},
		"near": {
			map[string]time.Duration{pki + "apiserver.crt": 29 * day},
			[]string{"certificates"},
			nil,
			"the certificate of the API server ends on " + date(29*day) + ". Run `kubeadm certs renew all` on the machine, then restart its static pods",
		},
		"over": {map[string]time.Duration{pki + "apiserver.crt": -day}, []string{"certificates"}, nil, "the certificate of the API server ended on " + date(-day) + ". Run"},
		"the kubelet": {
			map[string]time.Duration{kubeletCert: day},
			[]string{"certificate of the kubelet"},
			[]string{"certificate of the kubelet"},
			"the certificate of the kubelet ends on " + date(day) + ". The kubelet renews it by itself where it can: `journalctl -u kubelet`",
		},
		"a reconfigured cluster": { // of which only the API server's is new
			map[string]time.Duration{pki + "etcd/server.crt": 3 * day, pki + "etcd/peer.crt": 2 * day, "/etc/kubernetes/scheduler.conf": 4 * day},
			[]string{"certificates"},
			nil,
			"the certificate etcd-peer ends on " + date(2*day) + ", and 2 others are near their end or past it: etcd-server, scheduler.conf. Run",
		},
		"one other": {
			map[string]time.Duration{pki + "front-proxy-client.crt": -3 * day, adminFile: day},
			[]string{"certificates"},
			nil,
			"the certificate front-proxy-client ended on " + date(-3*day) + ", and another is near its end or past it: admin.conf. Run",
		},
		"each": {
			map[string]time.Duration{
				pki + "apiserver.crt": day, pki + "apiserver-etcd-client.crt": day, pki + "apiserver-kubelet-client.crt": day, pki + "etcd/healthcheck-client.crt": day,
				pki + "etcd/peer.crt": day, pki + "etcd/server.crt": day, pki + "front-proxy-client.crt": day, adminFile: day,
				"/etc/kubernetes/controller-manager.conf": day, "/etc/kubernetes/scheduler.conf": day, "/etc/kubernetes/super-admin.conf": day,
			},
			[]string{"certificates"},
			nil,
			"the certificate of the API server ends on " + date(day) + ", and 10 others are near their end or past it: apiserver-etcd-client, apiserver-kubelet-client, " +
				"etcd-healthcheck-client, etcd-peer, etcd-server, front-proxy-client, admin.conf, controller-manager.conf, scheduler.conf, super-admin.conf. Run",
		},
		"the authority": {
			map[string]time.Duration{caFile: day},
			[]string{"authorities"},
			[]string{"authorities"},
			"the certificate of the authority ca ends on " + date(day) + ". kubeadm does not renew an authority",
		},
		"the authorities": {
			map[string]time.Duration{pki + "etcd/ca.crt": 2 * day, pki + "front-proxy-ca.crt": day},
			[]string{"authorities"},
			nil,
			"the certificate of the authority front-proxy-ca ends on " + date(day) + ", and another is near its end or past it: etcd-ca. ",
		},
		"none at all": {map[string]time.Duration{pki + "apiserver.crt": 0}, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			was := map[string][2]string{}
			for file, end := range c.ends {
				was[file] = [2]string{plane.Content(file), worker.Content(file)}
				text := hosttest.Certificate(now.Add(end))
				if strings.HasSuffix(file, ".conf") {
					text = hosttest.AdminConf(now.Add(end))
				}
				if end == 0 {
					text = "no certificate\n"
				}
				plane.Put(file, text)
				if file == kubeletCert || file == caFile {
					worker.Put(file, text)
				}
			}
			got, text := verdicts(t, controlPlaneWanted(), plane, s)
			of, _ := verdicts(t, joinWanted(), worker, s)
			if !slices.Equal(got, c.plane) || !slices.Equal(of, c.worker) || !strings.Contains(text, c.says) {
				t.Errorf("found of the control plane %q, of the worker %q:\n%s\nit is to say %q", got, of, text, c.says)
			}
			for file, text := range was {
				plane.Put(file, text[0])
				if file == kubeletCert || file == caFile {
					worker.Put(file, text[1])
				}
			}
		})
	}
}

// TestUnique: what tells machines apart is compared, on nodes too.
func TestUnique(t *testing.T) {
	ctx, plane, worker := worlds(t)
	s := resource.Situation{Address: "10.0.2.15", Now: time.Now()}
	list, err := controlPlaneWanted().Inspect(ctx, plane.Reader(), s)
	if err != nil {
		t.Fatal(err)
	}
	uniques(t, list, false)
	if list, err = joinWanted().Inspect(ctx, worker.Reader(), s); err != nil {
		t.Fatal(err)
	}
	uniques(t, list, true)
	s.Address = "10.0.2.24" // no interface has it
	list, err = joinWanted().Inspect(ctx, worker.Reader(), s)
	if err != nil || slices.ContainsFunc(list, func(f resource.Finding) bool { return f.Name == "MAC address" }) {
		t.Errorf("%v, %v", list, err)
	}
}

// uniques wants both values, which say something where the machine is no node.
func uniques(t *testing.T, list []resource.Finding, says bool) {
	t.Helper()
	var names []string
	for _, f := range list {
		if f.Unique != "" {
			names = append(names, f.Name)
			if (f.Msg != "") != says || f.Error {
				t.Errorf("%+v", f)
			}
		}
	}
	if !slices.Equal(names, []string{"product_uuid", "MAC address"}) {
		t.Errorf("compared are %q", names)
	}
}

// TestUnseen: what a machine does not tell is no finding.
func TestUnseen(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	for _, name := range []string{"nproc", "ss", "ip", "df", "sh", "cat"} {
		m.Handle(name, func(*hosttest.Call) host.Output { return host.Output{Code: 127} })
	}
	m.RemoveAll("/proc/meminfo")
	m.RemoveAll("/proc/swaps")
	s := resource.Situation{Address: "10.0.2.24", Now: time.Now()}
	if got, _ := verdicts(t, controlPlaneWanted(), m, s); len(got) > 0 {
		t.Errorf("found %q", got)
	}
}

func TestParses(t *testing.T) {
	for out, want := range map[string]int{
		"": -1, "df: x: No such file\n": -1,
		"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 264000000 34000000 62000000 36% /\n": 62000000,
		"Filesystem 1024-blocks Used Available Capacity Mounted on\nnone - - - - /var\n":                          -1,
	} {
		if got := available(out); got != want {
			t.Errorf("%q: %d, want %d", out, got, want)
		}
	}
	ports := listening("State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n" +
		"LISTEN 0      4096       127.0.0.1:10248      0.0.0.0:*    users:((\"kubelet\",pid=7,fd=9))\n" +
		"LISTEN 0      4096               *:10250            *:*    users:((\"kubelet\",pid=7,fd=11))\n" +
		"LISTEN 0      128             [::]:22            [::]:*\n")
	if len(ports) != 3 || ports[10250] != "kubelet" || ports[22] != "" {
		t.Errorf("%v", ports)
	}
	for version, want := range map[string]int{"1.34.4": 34, "1.35": 35, "": 0, "x": 0} {
		if got := minor(version); got != want {
			t.Errorf("%q: %d", version, got)
		}
	}
}
