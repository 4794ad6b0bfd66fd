"""A Kubernetes of one node without a container engine, for the tests of the chart. It runs as root on Debian 12, in a
network namespace of its own; what others may see of it is one address on a pair of virtual Ethernet devices.

The programs are Debian's own (containerd, runc, etcd, CNI plugins), and Kubernetes 1.20.2 built from its source
package. There is no DNS in it: a node of Essaim asks none.
"""
