// Command flanneld connects the pods of the lab's nodes, with the parts of flannel that a cluster of Linux nodes uses: subnets
// from the Kubernetes API, the backends vxlan and host-gw, iptables. It takes the flags that flannel's own manifest passes.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
)

const (
	networkFile = "/etc/kube-flannel/net-conf.json" // of the manifest's ConfigMap
	subnetFile  = "/run/flannel/subnet.env"         // read by the CNI plugin
	annotations = "flannel.alpha.coreos.com"
	resync      = 5 // seconds between two looks at the iptables rules
)

func main() {
	masquerade := flag.Bool("ip-masq", false, "masquerade what leaves the pods' network")
	subnets := flag.Bool("kube-subnet-mgr", false, "take subnets from the Kubernetes API; there is no other way")
	iface := flag.String("iface", "", "interface or address to talk to other nodes by (that of the default route)")
	flag.Parse()
	if !*subnets {
		log.Fatal("this flanneld takes its subnets from the Kubernetes API only: pass --kube-subnet-mgr")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *iface, *masquerade); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, iface string, masquerade bool) error {
	manager, err := kube.NewSubnetManager(ctx, "", "", annotations, networkFile, true)
	if err != nil {
		return fmt.Errorf("asking Kubernetes for a subnet: %w", err)
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("reading %s: %w", networkFile, err)
	}
	if config.EnableNFTables || config.EnableIPv6 {
		return fmt.Errorf("%s asks for nftables or IPv6, which this flanneld does not do", networkFile)
	}
	stack, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return err
	}
	external, err := ipmatch.LookupExtIface(iface, "", "", stack, ipmatch.PublicIPOpts{})
	if err != nil {
		return fmt.Errorf("finding the interface to the other nodes: %w", err)
	}
	kind, err := backend.NewManager(ctx, manager, external).GetBackend(config.BackendType)
	if err != nil {
		return err
	}
	var background sync.WaitGroup
	network, err := kind.RegisterNetwork(ctx, &background, config)
	if err != nil {
		return fmt.Errorf("joining the network: %w", err)
	}
	rules := &iptables.IPTablesManager{}
	if err := rules.Init(ctx); err != nil {
		return err
	}
	if masquerade {
		// No rules are there from before: the empty networks say so.
		var none ip.IP4Net
		if err := rules.SetupAndEnsureMasqRules(ctx, config.Network, none, none, config.IPv6Network, ip.IP6Net{}, ip.IP6Net{},
			network.Lease(), resync, false); err != nil {
			return fmt.Errorf("masquerading: %w", err)
		}
	}
	rules.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, resync)
	lease := network.Lease()
	if err := manager.HandleSubnetFile(subnetFile, config, masquerade, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return fmt.Errorf("writing %s: %w", subnetFile, err)
	}
	log.Printf("%s has the subnet %s of %s by %s", external.IfaceAddr, lease.Subnet, config.Network, config.BackendType)
	background.Go(func() { network.Run(ctx) })
	err = manager.CompleteLease(ctx, lease, &background)
	background.Wait()
	return err
}
