import { Rtp } from '../src/media/rtp.ts';
import { mediaTo } from './rtp.ts';
const n=Number(process.argv[2]);
const rtp = new Rtp({ bindAddress: '127.0.0.1', portMin: 10_000, portMax: 29_999 });
await rtp.start(); let t=performance.now();
const lap=(s:string)=>{console.log(s, Math.round(performance.now()-t)); t=performance.now();};
const streams=[];
while(streams.length<n) streams.push(...await Promise.all(Array.from({length:100},()=>rtp.open())));
lap('open');
if (process.argv[3]) { for (const s of streams) s.play(mediaTo(9), new Uint8Array(80000)); await new Promise(r=>setTimeout(r,3000)); lap('play'); }
await Promise.all(streams.map(s=>s.close())); lap('close streams');
await rtp.close(); lap('close');
